import Programs
import Tensors

/// Every case of every kernel: one list for all instruction sets and products.
let kernelCases: [String: [KernelCase]] = {
  let cases =
    linearCases() + tiledProductCases() + gradientOfWeightCases() + biasCases() + embeddingCases()
    + normalisationCases()
    + rotaryCases() + attentionCases() + cachedAttentionCases() + activationCases() + lossCases()
    + columnCases() + elementwiseCases() + optimizerCases() + scoreCases() + quantisationCostCases()
    + bf16ProductCases() + quantisedCases() + bf16ElementwiseCases() + bf16LossCases()
    + bf16OptimizerCases() + integerStepCases() + bf16AttentionCases() + probeCases()
  return Dictionary(grouping: cases, by: \.kernel)
}()

/// Shapes of products: (m, n, k), each width in each place.
private let productSizes: [(m: Int, n: Int, k: Int)] =
  testWidths.flatMap { [(5, 3, $0), (6, $0, 9), ($0, 5, 8)] } + [(33, 70, 65), (2, 65, 1000)]

/// Longer sums than tiles take at a time, in each place.
private let longSums = [(9, 40, 2100), (9, 2100, 40), (2100, 9, 40), (70, 33, 34)]

/// Scratch of products by tiles as sft_kernels.def counts it, in floats.
private func tileScratch(summed: Int, columns: Int) -> Int {
  let p = (max(1, min(summed, 2048)) + 15) / 16 * 16
  return (max(128 * p, min(393_216, 4 * p * ((columns + 31) / 32 * 32))) + 256 * p) / 4
}

/// How a product is called.
private struct ProductMode {
  var split: ProductSplit
  var accumulates: Bool
  var alpha: Float

  static let all = [
    ProductMode(split: .rows, accumulates: false, alpha: 1),
    ProductMode(split: .columns, accumulates: false, alpha: -0.5),
    ProductMode(split: .rows, accumulates: true, alpha: 2),
    ProductMode(split: .columns, accumulates: true, alpha: 1),
  ]

  /// The mode of that number, over and over.
  static func number(_ index: Int) -> ProductMode { all[index % all.count] }
}

/// The types that weights are stored as.
private let weightTypes = [ElementType.f32, .bf16, .int8]

private func weights(
  _ type: ElementType, rows: Int, columns: Int, stride: Int, _ numbers: inout TestNumbers
) -> (values: TestBuffer, scales: TestBuffer?) {
  let count = max(0, (rows - 1) * stride + columns)
  switch type {
  case .bf16: return (.bfloat16(numbers.floats(count)), nil)
  case .int8:
    let values = (0..<count).map { _ in Int8(truncatingIfNeeded: Int(numbers.bits() & 0xFF)) }
    return (.int8(values), .floats(numbers.floats(rows, limit: 0.01)))
  default: return (.floats(numbers.floats(count)), nil)
  }
}

/// An output that is to be added to, or one that nothing may read.
private func output(
  added: Bool, _ count: Int, _ numbers: inout TestNumbers
) -> TestBuffer {
  added ? .floats(numbers.floats(count)) : .unset(count)
}

func linearCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 1)
  var cases: [KernelCase] = []
  for type in weightTypes {
    for (index, size) in productSizes.enumerated() {
      let (m, n, k) = size
      for mode in [ProductMode.number(index), .number(index + 1)] {
        let (ldx, ldw, ldy) = (k + 3, k + 1, n + 2)
        let w = weights(type, rows: n, columns: k, stride: ldw, &numbers)
        func product(_ kind: ProductKind, left: Int, result: Int) -> MatrixProduct {
          MatrixProduct(
            Product(kind, operands: .f32, weightType: type, m: m, n: n, k: k),
            strides: .init(left: left, right: ldw, result: result),
            accumulates: mode.accumulates, split: mode.split, panelRows: 4, alpha: mode.alpha)
        }
        cases.append(
          KernelCase(
            product(.forward, left: ldx, result: ldy), left: .floats(numbers.floats(m * ldx)),
            right: w, result: output(added: mode.accumulates, m * ldy, &numbers),
            scratchFloats: 4 * k, tolerance: 3e-5,  // observed 5.9e-6 (k = 1000)
            splitsExactly: m <= 4))
        let (lddy, lddx) = (n + 2, k + 3)
        cases.append(
          KernelCase(
            product(.inputGradient, left: lddy, result: lddx),
            left: .floats(numbers.floats(m * lddy)), right: w,
            result: output(added: mode.accumulates, m * lddx, &numbers),
            scratchFloats: 4 * k, tolerance: 3e-5,  // observed 1.0e-5 (n = 1000)
            splitsExactly: false))
      }
    }
  }
  return cases
}

/// The same products by own tiles, whose results do not depend on how they are split.
func tiledProductCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 36)
  return (productSizes + longSums).enumerated().flatMap { index, size in
    tiledProductCases(of: size, number: index, &numbers)
  }
}

private func tiledProductCases(
  of size: (m: Int, n: Int, k: Int), number index: Int, _ numbers: inout TestNumbers
) -> [KernelCase] {
  var cases: [KernelCase] = []
  let (m, n, k) = size
  let (ldx, ldw, ldy) = (k + 3, k + 1, n + 2)
  func add(
    _ kind: ProductKind, _ type: ElementType?, _ strides: MatrixProduct.Strides,
    _ mode: ProductMode, left: TestBuffer, right: (values: TestBuffer, scales: TestBuffer?)
  ) {
    let product = Product(kind, operands: .f32, weightType: type, m: m, n: n, k: k)
    let (rows, columns) = product.result
    cases.append(
      KernelCase(
        MatrixProduct(
          product, strides: strides, accumulates: mode.accumulates, split: mode.split,
          backend: .tiles, alpha: mode.alpha),
        left: left, right: right,
        result: output(added: mode.accumulates, rows * strides.result, &numbers),
        scratchFloats: tileScratch(summed: product.summed, columns: columns), tolerance: 6e-5))
  }
  for (offset, type) in weightTypes.enumerated() {
    let mode = ProductMode.number(index + offset)
    let w = weights(type, rows: n, columns: k, stride: ldw, &numbers)
    add(
      .forward, type, .init(left: ldx, right: ldw, result: ldy), mode,
      left: .floats(numbers.floats(m * ldx)), right: w)
    add(
      .inputGradient, type, .init(left: ldy, right: ldw, result: ldx), mode,
      left: .floats(numbers.floats(m * ldy)), right: w)
  }
  add(
    .weightGradient, nil, .init(left: ldy, right: ldx, result: k + 4), .number(index),
    left: .floats(numbers.floats(m * ldy)), right: (.floats(numbers.floats(m * ldx)), nil))
  return cases
}

func gradientOfWeightCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 2)
  return productSizes.enumerated().map { index, size in
    let (m, n, k) = size
    let mode = ProductMode.number(index)
    let strides = MatrixProduct.Strides(left: n + 1, right: k + 2, result: k + 3)
    return KernelCase(
      MatrixProduct(
        Product(.weightGradient, operands: .f32, m: m, n: n, k: k), strides: strides,
        accumulates: mode.accumulates, split: mode.split, alpha: mode.alpha),
      left: .floats(numbers.floats(m * strides.left)),
      right: (.floats(numbers.floats(m * strides.right)), nil),
      result: output(added: mode.accumulates, n * strides.result, &numbers), scratchFloats: 0,
      tolerance: 3e-5,  // observed 5.1e-6 (m = 1000)
      splitsExactly: false)
  }
}

func biasCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 3)
  return testWidths.flatMap { width in
    [
      KernelCase(
        .biasAdd(columns: width, stride: width + 2), label: "width \(width)",
        buffers: [.floats(numbers.floats(3 * (width + 2))), .floats(numbers.floats(width))],
        items: 3, tolerance: 0),
      KernelCase(
        .columnSum(rows: 5, stride: width + 2, accumulates: false), label: "width \(width)",
        buffers: [.floats(numbers.floats(5 * (width + 2))), .unset(width)], items: width,
        tolerance: 1e-6),  // observed 7.9e-8
      KernelCase(
        .columnSum(rows: width, stride: 19, accumulates: true), label: "\(width) rows, added",
        buffers: [.floats(numbers.floats(width * 19)), .floats(numbers.floats(19))], items: 19,
        tolerance: 1e-5),  // observed 3.1e-6 (1000 rows)
    ]
  }
}

func embeddingCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 4)
  let ids: [Int32] = [3, 0, 7, -1, 4, 3, 11, 6]  // rows 3 ..< 8 are there
  var cases: [KernelCase] = []
  for width in testWidths {
    for type in weightTypes {
      let table = weights(type, rows: 5, columns: width, stride: width, &numbers)
      cases.append(
        KernelCase(
          .embedding(type, width: width, firstRow: 3, rows: 5), label: "width \(width)",
          buffers: [
            .int32(ids), table.values, table.scales,
            .floats(numbers.floats(ids.count * width)),
          ], items: ids.count, tolerance: 0))
    }
    for accumulate in [false, true] {
      cases.append(
        KernelCase(
          .embeddingGradient(
            width: width, firstRow: 3, rows: 5, tokens: ids.count, accumulates: accumulate),
          label: "width \(width) accumulate \(accumulate)",
          buffers: [
            .int32(ids), .floats(numbers.floats(ids.count * width)),
            output(added: accumulate, 5 * width, &numbers),
          ], items: width, tolerance: 0))
    }
  }
  return cases
}

func normalisationCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 5)
  return testWidths.flatMap { width -> [KernelCase] in
    let count = 3 * width
    let x = TestBuffer.floats(numbers.floats(count))
    let dy = TestBuffer.floats(numbers.floats(count, limit: 3))
    let gain = TestBuffer.floats(numbers.floats(width, limit: 2))
    let r = TestBuffer.floats(numbers.floats(3).map { 1 + $0.magnitude })
    let gradient = [dy, x, gain, r]
    return [
      KernelCase(
        .rmsnorm(width: width, epsilon: 1e-5), label: "width \(width)",
        buffers: [x, gain, .unset(count), .unset(3)], items: 3,
        tolerance: 1e-6),  // observed 1.3e-7
      KernelCase(
        .rmsnorm(width: width, epsilon: 1e-5), label: "width \(width) in place, no r",
        buffers: [x, gain, x, nil],
        aliases: [2: 0], items: 3, tolerance: 1e-6),
      KernelCase(
        .rmsnormInputGradient(width: width, accumulates: false), label: "width \(width)",
        buffers: gradient + [.unset(count)], items: 3,
        tolerance: 1e-6),  // observed 2.0e-7
      KernelCase(
        .rmsnormInputGradient(width: width, accumulates: true), label: "width \(width) added",
        buffers: gradient + [.floats(numbers.floats(count))], items: 3,
        tolerance: 1e-6),
      KernelCase(
        .rmsnormInputGradient(width: width, accumulates: false), label: "width \(width) in place",
        buffers: gradient + [dy], aliases: [4: 0], items: 3,
        tolerance: 1e-6),
      KernelCase(
        .rmsnormGainGradient(width: width, rows: 3, accumulates: false), label: "width \(width)",
        buffers: [dy, x, r, .unset(width)], items: width,
        tolerance: 1e-6),  // observed 2.4e-7
      KernelCase(
        .rmsnormGainGradient(width: width, rows: 3, accumulates: true),
        label: "width \(width) added",
        buffers: [dy, x, r, .floats(numbers.floats(width))], items: width,
        tolerance: 1e-6),
    ]
  }
}

func rotaryCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 6)
  return testWidths.map { $0 * 2 }.flatMap { width -> [KernelCase] in
    let (heads, tokens, rows, half) = (3, 4, 6, width / 2)
    let cosine = TestBuffer.floats(numbers.floats(9 * half))
    let sine = TestBuffer.floats(numbers.floats(9 * half))
    let (ldx, ldy) = (heads * width + 3, heads * width + 1)
    let x = TestBuffer.floats(numbers.floats(rows * ldx))
    return [
      KernelCase(
        .rotary(
          heads: heads, headWidth: width, tokens: tokens, inputStride: ldx, outputStride: ldy,
          direction: 1), label: "head width \(width)",
        buffers: [x, cosine, sine, .unset(rows * ldy), nil], items: rows,
        tolerance: 0),
      KernelCase(
        .rotary(
          heads: heads, headWidth: width, tokens: tokens, inputStride: ldx, outputStride: ldx,
          direction: -1), label: "head width \(width), gradient, in place, from position 5",
        buffers: [x, cosine, sine, x, .int32([5])], aliases: [3: 0], items: rows, tolerance: 0),
    ]
  }
}

func activationCases() -> [KernelCase] {
  activationCases("swiglu", seed: 7) + activationCases("geglu", seed: 14)
}

private func activationCases(_ name: String, seed: UInt64) -> [KernelCase] {
  var numbers = TestNumbers(seed: seed)
  return testWidths.flatMap { width -> [KernelCase] in
    var gate = numbers.floats(width, limit: 20)
    for (index, extreme) in [Float(-200), 200, -90, 0].enumerated() where index < width {
      gate[index] = extreme
    }
    let g = TestBuffer.floats(gate)
    let u = TestBuffer.floats(numbers.floats(width, limit: 2))
    let ds = TestBuffer.floats(numbers.floats(width))
    func forward(_ label: String, _ out: TestBuffer, _ aliases: [Int: Int] = [:]) -> KernelCase {
      KernelCase(
        NamedKernel(name), label: "width \(width) \(label)", buffers: [g, u, out],
        aliases: aliases, items: width, tolerance: 5e-7)  // observed 1.3e-7
    }
    func gradient(
      _ label: String, _ dg: TestBuffer?, _ du: TestBuffer?, _ aliases: [Int: Int] = [:]
    ) -> KernelCase {
      KernelCase(
        NamedKernel(name + "_gradient"), label: "width \(width) \(label)",
        buffers: [g, u, ds, dg, du], aliases: aliases, items: width,
        tolerance: 2e-6)  // observed 5.1e-7
    }
    let new = TestBuffer.unset(width)
    return [
      forward("", new), forward("onto g", g, [2: 0]), forward("onto u", u, [2: 1]),
      gradient("both", new, new), gradient("dg", new, nil), gradient("du", nil, new),
      gradient("neither", nil, nil), gradient("onto g, u", g, u, [3: 0, 4: 1]),
      gradient("onto ds, u", ds, u, [3: 2, 4: 1]), gradient("onto g, ds", g, ds, [3: 0, 4: 2]),
    ]
  }
}

func lossCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 8)
  return testWidths.dropFirst().flatMap { vocabulary -> [KernelCase] in
    let logits = TestBuffer.floats(numbers.floats(4 * vocabulary, limit: 15))
    let targets = TestBuffer.int32([0, -1, Int32(vocabulary - 1), Int32(vocabulary / 2)])
    let scale = TestBuffer.floats([0.25])
    return [(scale, false), (nil, true), (scale, true)].map { scale, gradient in
      KernelCase(
        .softmaxCrossEntropy(vocabulary: vocabulary, wantsGradient: gradient),
        label: "vocabulary \(vocabulary) scale \(scale != nil) gradient \(gradient)",
        buffers: [logits, targets, .unset(4), scale], items: 4,
        tolerance: 5e-7)  // observed 1.0e-7
    }
  }
}

func elementwiseCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 9)
  return testWidths.flatMap { width -> [KernelCase] in
    let a = TestBuffer.floats(numbers.floats(width))
    let b = TestBuffer.floats(numbers.floats(width))
    let new = TestBuffer.unset(width)
    func add(_ label: String, _ c: TestBuffer, _ aliases: [Int: Int] = [:]) -> KernelCase {
      KernelCase(
        NamedKernel("add"), label: "width \(width) \(label)", buffers: [a, b, c], aliases: aliases,
        items: width, tolerance: 0)
    }
    return [
      add("", new), add("onto a", a, [2: 0]), add("onto b", b, [2: 1]),
      KernelCase(
        NamedKernel("copy"), label: "width \(width)", buffers: [a, new], items: width, tolerance: 0),
      KernelCase(
        .scale(25.3), label: "width \(width)", buffers: [a, new], items: width, tolerance: 0),
      KernelCase(
        .scale(-0.3), label: "width \(width) onto a", buffers: [a, a], aliases: [1: 0],
        items: width, tolerance: 0),
      KernelCase(
        .fill(0.75), label: "width \(width)", buffers: [new], items: width,
        tolerance: 0),
    ]
  }
}

func optimizerCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 10)
  let hyper = TestBuffer.floats([0.01, 0.1, 0.05, 0.5, 0, 0, 0, 0])
  return testWidths.flatMap { width -> [KernelCase] in
    let p = TestBuffer.floats(numbers.floats(width))
    let g = TestBuffer.floats(numbers.floats(width))
    let m = TestBuffer.floats(numbers.floats(width))
    let v = TestBuffer.floats(numbers.floats(width).map(\.magnitude))
    let partials = (0..<width).map { _ in Double(numbers.float().magnitude) }
    return [
      KernelCase(
        .adamW(
          .f32, moments: "f32", elements: width, betas: (0.9, 0.95), epsilon: 1e-8, weightDecay: 0.1
        ), label: "width \(width)", buffers: [p, g, m, v, hyper], items: width,
        tolerance: 3e-7),  // observed 6.6e-8
      KernelCase(
        .sgd(momentum: 0.9, weightDecay: 0.1), label: "width \(width)", buffers: [p, g, m, hyper],
        items: width, tolerance: 3e-7),  // observed 6.0e-8
      KernelCase(
        .squaredNorm(count: width), label: "width \(width)",
        buffers: [g, .doubles(Array(repeating: .nan, count: 64))], items: 64,
        tolerance: 1e-12),  // observed 0: sums of 16
    ]
      + [0, 0.5, 1e9].map { limit in
        KernelCase(
          .clipScale(partials: width, limit: limit), label: "\(width) partials, limit \(limit)",
          buffers: [.doubles(partials), hyper], items: 1,
          tolerance: 1e-7)  // observed 0
      }
  }
}
