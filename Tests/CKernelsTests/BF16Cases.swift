import CKernels
import Programs
import Tensors

// Cases of the kernels on bf16 values and on bytes. Results in bf16 may differ by one rounding from
// the reference, where sums that differ in the last bits of f32 lie between two bf16 values.

/// One rounding of a bf16 value: 2⁻⁸ of it, with some room for products of rounded terms.
let oneRounding = 0.0079

/// Shapes of products: (m, n, k), each width in each place.
private let sizes: [(m: Int, n: Int, k: Int)] =
  testWidths.flatMap { [(5, 3, $0), (6, $0, 9), ($0, 5, 8)] }
  + [(33, 70, 65), (2, 65, 1000), (9, 40, 4100), (70, 33, 34), (49, 32, 96)]

/// How a product is called.
private struct ProductMode {
  var split: ProductSplit
  var accumulates: Bool
  var alpha: Float
  var resultType: ElementType

  /// The largest error: one rounding of a result in bf16, else that of the sums.
  func tolerance(ofSums sums: Double) -> Double { resultType == .bf16 ? oneRounding : sums }

  static let all = [
    ProductMode(split: .rows, accumulates: false, alpha: 1, resultType: .f32),
    ProductMode(split: .columns, accumulates: false, alpha: -0.5, resultType: .bf16),
    ProductMode(split: .rows, accumulates: true, alpha: 2, resultType: .bf16),
    ProductMode(split: .columns, accumulates: true, alpha: 1, resultType: .f32),
    ProductMode(split: .columns, accumulates: false, alpha: 1, resultType: .f32),
    ProductMode(split: .rows, accumulates: false, alpha: 1, resultType: .bf16),
  ]

  /// The mode of that number, over and over.
  static func number(_ index: Int) -> ProductMode { all[index % all.count] }

  func product(_ product: Product, strides: MatrixProduct.Strides) -> MatrixProduct {
    MatrixProduct(
      product, strides: strides, accumulates: accumulates, resultType: resultType, split: split,
      alpha: alpha)
  }

  /// A result that is to be added to, or one that nothing may read.
  func output(_ count: Int, _ numbers: inout TestNumbers) -> TestBuffer {
    let unset = Array(repeating: Float.nan, count: count)
    let old = accumulates ? numbers.floats(count) : unset
    return resultType == .bf16 ? .bfloat16(old) : .floats(old)
  }
}

/// Scratch as sft_kernels.def counts it, in floats.
private func productScratch(summed: Int, columns: Int, _ resultType: ElementType) -> Int {
  let length = resultType == .bf16 ? summed : min(summed, 4096)
  let p = max(64, (length + 63) / 64 * 64)
  let panels = min(393_216, 2 * p * ((columns + 31) / 32 * 32))
  return (max(64 * p, panels) + 128 * p + 3) / 4
}

private func values(_ count: Int, _ numbers: inout TestNumbers) -> TestBuffer {
  .bfloat16(numbers.floats(count))
}

private func weights(
  _ type: ElementType, _ count: Int, _ rows: Int, _ numbers: inout TestNumbers
) -> (values: TestBuffer, scales: TestBuffer?) {
  switch type {
  case .f32: return (.floats(numbers.floats(count)), nil)
  case .bf16: return (values(count, &numbers), nil)
  default:
    let bytes = (0..<count).map { _ in Int8(truncatingIfNeeded: Int(numbers.bits() & 0xFF)) }
    return (.int8(bytes), .floats(numbers.floats(rows, limit: 0.01)))
  }
}

/// Weights with scales that make bytes of them.
private func scaledWeights(
  _ type: ElementType, _ count: Int, _ rows: Int, _ numbers: inout TestNumbers
) -> (values: TestBuffer, scales: TestBuffer?) {
  let plain = weights(type, count, rows, &numbers)
  // Elements are below 1; one row has nothing but zeros, as far as its scale tells.
  let scales = (0..<rows).map { $0 == 1 ? 0 : 0.01 + numbers.float(0.001).magnitude }
  return (plain.values, plain.scales ?? .floats(scales))
}

func bf16ProductCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 30)
  return sizes.enumerated().flatMap { index, size -> [KernelCase] in
    let (m, n, k) = size
    let ofWeights = [ElementType.f32, .bf16, .int8].enumerated().flatMap { offset, type in
      bf16ProductCases(of: size, type, .number(index + offset), &numbers)
    }
    let mode = ProductMode.number(index)
    let product = mode.product(
      Product(.weightGradient, operands: .bf16, m: m, n: n, k: k),
      strides: .init(left: n + 1, right: k + 2, result: k + 3))
    let gradient = KernelCase(
      product, left: values(m * (n + 1), &numbers), right: (values(m * (k + 2), &numbers), nil),
      result: mode.output(n * (k + 3), &numbers),
      scratchFloats: productScratch(summed: m, columns: k, mode.resultType),
      tolerance: mode.tolerance(ofSums: 6e-5))
    return ofWeights + [gradient]
  }
}

/// Both products with a weight.
private func bf16ProductCases(
  of size: (m: Int, n: Int, k: Int), _ type: ElementType, _ mode: ProductMode,
  _ numbers: inout TestNumbers
) -> [KernelCase] {
  let (m, n, k) = size
  let ldw = k + 1
  let w = weights(type, max(0, n - 1) * ldw + k, n, &numbers)
  return [(ProductKind.forward, k + 3, n + 2), (.inputGradient, n + 2, k + 3)].map {
    kind, left, result in
    let product = mode.product(
      Product(kind, operands: .bf16, weightType: type, m: m, n: n, k: k),
      strides: .init(left: left, right: ldw, result: result))
    return KernelCase(
      product, left: values(m * left, &numbers), right: w,
      result: mode.output(m * result, &numbers),
      scratchFloats: productScratch(
        summed: product.product.summed, columns: product.product.result.columns, mode.resultType),
      // Observed with results in f32: 1.8e-5, at 4100 terms.
      tolerance: mode.tolerance(ofSums: 6e-5))
  }
}

func quantisedCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 31)
  return quantisedProductCases(.forward, [.f32, .bf16, .int8], scales: 0.01, &numbers)
    + quantisedProductCases(.inputGradient, [.int8, .f32, .bf16], scales: 1e-4, &numbers)
    + quantisingCases(&numbers)
}

/// Products of bytes, with one of the types of weights each.
///
/// - Parameter scales: the largest scale of the first operand's rows.
private func quantisedProductCases(
  _ kind: ProductKind, _ types: [ElementType], scales limit: Float, _ numbers: inout TestNumbers
) -> [KernelCase] {
  sizes.enumerated().map { index, size in
    let (m, n, k) = size
    let type = types[index % 3]
    let mode = ProductMode.number(index + index / 3)
    let w = scaledWeights(type, max(0, n - 1) * (k + 1) + k, n, &numbers)
    let key = Product(kind, operands: .int8, weightType: type, m: m, n: n, k: k)
    let bytes = (0..<m * key.summed).map { _ in
      Int8(truncatingIfNeeded: Int(numbers.bits() & 0xFF))
    }
    let strides = MatrixProduct.Strides(
      left: key.summed, right: k + 1, result: key.result.columns + 2)
    return KernelCase(
      mode.product(key, strides: strides), left: .int8(bytes), right: w,
      result: mode.output(m * strides.result, &numbers),
      leftScales: .floats(numbers.floats(m, limit: limit)),
      scratchFloats: productScratch(summed: key.summed, columns: key.result.columns, .bf16),
      tolerance: mode.tolerance(ofSums: 1e-6))  // observed 2.0e-7: sums are exact
  }
}

private func quantisingCases(_ numbers: inout TestNumbers) -> [KernelCase] {
  var cases: [KernelCase] = []
  for width in testWidths {
    cases.append(
      KernelCase(
        .quantiseRows(width: width, stride: width + 2), label: "width \(width), scaled columns",
        buffers: [
          values(3 * (width + 2), &numbers), .int8(Array(repeating: 0, count: 3 * width)),
          .unset(3), .floats(numbers.floats(width, limit: 0.01)),
        ], items: 3, tolerance: 0))
    cases.append(
      KernelCase(
        .quantiseRows(width: width, stride: width + 2), label: "width \(width)",
        buffers: [
          values(3 * (width + 2), &numbers), .int8(Array(repeating: 0, count: 3 * width)),
          .unset(3), nil,
        ], items: 3, tolerance: 0))
    cases.append(
      KernelCase(
        .quantiseRows(width: width, stride: width), label: "width \(width) of zeros",
        buffers: [
          .bfloat16(Array(repeating: 0, count: width)), .int8(Array(repeating: 0, count: width)),
          .unset(1), nil,
        ], items: 1, tolerance: 0))
    let bytes = Array(repeating: Int8(0), count: 3 * width)
    cases.append(
      KernelCase(
        NamedKernel("quantise_rows_f32", sizes: [width]), label: "width \(width)",
        buffers: [
          .floats(numbers.floats(2 * width, limit: 8) + Array(repeating: 0, count: width)),
          .int8(bytes), .unset(3),
        ], items: 3, tolerance: 0))
    for type in [ElementType.f32, .bf16] {
      let result =
        type == .bf16
        ? TestBuffer.bfloat16(Array(repeating: .nan, count: 3 * width)) : .unset(3 * width)
      cases.append(
        KernelCase(
          NamedKernel("restore_rows_\(type)", sizes: [width]), label: "width \(width)",
          buffers: [
            .raw((0..<3 * width).map { _ in UInt8(numbers.integer(below: 256)) }),
            .floats(numbers.floats(3)), result,
          ],
          items: 3, tolerance: 0))
    }
    cases.append(
      KernelCase(
        .rowScales(.f32, width: width), label: "width \(width)",
        buffers: [.floats(numbers.floats(3 * width)), .unset(3)], items: 3,
        tolerance: 0))
    cases.append(
      KernelCase(
        .rowScales(.bf16, width: width), label: "width \(width)",
        buffers: [values(3 * width, &numbers), .unset(3)], items: 3,
        tolerance: 0))
  }
  return cases
}

func bf16ElementwiseCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 32)
  return testWidths.flatMap { width -> [KernelCase] in
    let a = values(width, &numbers)
    let b = values(width, &numbers)
    let ds = values(width, &numbers)
    let new = TestBuffer.bfloat16(Array(repeating: .nan, count: width))
    func activations(_ name: String) -> [KernelCase] {
      func forward(_ label: String, _ out: TestBuffer, _ aliases: [Int: Int] = [:]) -> KernelCase {
        KernelCase(
          NamedKernel(name + "_bf16"), label: "width \(width) \(label)", buffers: [a, b, out],
          aliases: aliases, items: width, tolerance: oneRounding)
      }
      func gradient(
        _ label: String, _ dg: TestBuffer?, _ du: TestBuffer?, _ aliases: [Int: Int] = [:]
      ) -> KernelCase {
        KernelCase(
          NamedKernel(name + "_gradient_bf16"), label: "width \(width) \(label)",
          buffers: [a, b, ds, dg, du], aliases: aliases, items: width, tolerance: oneRounding)
      }
      return [
        forward("", new), forward("onto g", a, [2: 0]), forward("onto u", b, [2: 1]),
        gradient("both", new, new), gradient("dg", new, nil), gradient("du", nil, new),
        gradient("onto g, u", a, b, [3: 0, 4: 1]), gradient("onto ds, u", ds, b, [3: 2, 4: 1]),
      ]
    }
    let x = TestBuffer.floats(numbers.floats(3 * width))
    let gain = TestBuffer.floats(numbers.floats(width, limit: 2))
    return activations("swiglu") + activations("geglu") + [
      KernelCase(
        NamedKernel("to_bf16"), label: "width \(width)",
        buffers: [.floats(numbers.floats(width)), new], items: width, tolerance: 0),
      KernelCase(
        NamedKernel("to_f32"), label: "width \(width)", buffers: [a, .unset(width)], items: width,
        tolerance: 0),
      KernelCase(
        NamedKernel("add_bf16"), label: "width \(width)", buffers: [a, b, new], items: width,
        tolerance: 0),
      KernelCase(
        .rmsnorm(width: width, epsilon: 1e-5, isBF16: true), label: "width \(width)",
        buffers: [
          x, gain, .bfloat16(Array(repeating: .nan, count: 3 * width)), .unset(3),
        ], items: 3, tolerance: oneRounding),
      KernelCase(
        .biasAdd(columns: width, stride: width + 2, isBF16: true), label: "width \(width)",
        buffers: [values(3 * (width + 2), &numbers), .floats(numbers.floats(width))], items: 3,
        tolerance: 0),
      KernelCase(
        .columnSum(rows: 5, stride: width + 2, accumulates: false, isBF16: true),
        label: "width \(width)",
        buffers: [values(5 * (width + 2), &numbers), .unset(width)], items: width, tolerance: 1e-6),
      KernelCase(
        .columnSum(rows: width, stride: 19, accumulates: true, isBF16: true),
        label: "\(width) rows, added",
        buffers: [values(width * 19, &numbers), .floats(numbers.floats(19))], items: 19,
        tolerance: 1e-5),
    ] + rotaryCases(width: 2 * width, &numbers) + headNormCases(width: width, &numbers)
  }
}

private func headNormCases(width: Int, _ numbers: inout TestNumbers) -> [KernelCase] {
  let rows = 5
  let x = values(rows * width, &numbers)
  let dy = values(rows * width, &numbers)
  let gain = TestBuffer.floats(numbers.floats(width, limit: 2))
  let r = TestBuffer.floats(numbers.floats(rows).map { 1 + $0.magnitude })
  let new = TestBuffer.bfloat16(Array(repeating: .nan, count: rows * width))
  func norm(_ label: String, _ y: TestBuffer, _ r: TestBuffer?) -> KernelCase {
    KernelCase(
      .headNorm(width: width, epsilon: 1e-5), label: "width \(width) \(label)",
      buffers: [x, gain, y, r], aliases: y == x ? [2: 0] : [:], items: rows,
      tolerance: oneRounding)
  }
  func inputGradient(_ label: String, _ dx: TestBuffer, accumulates: Bool = false) -> KernelCase {
    KernelCase(
      .headNormInputGradient(width: width, accumulates: accumulates),
      label: "width \(width) \(label)", buffers: [dy, x, gain, r, dx],
      aliases: dx == dy ? [4: 0] : [:], items: rows, tolerance: oneRounding)
  }
  func gainGradient(_ dgain: TestBuffer, accumulates: Bool) -> KernelCase {
    KernelCase(
      .headNormGainGradient(width: width, rows: rows, accumulates: accumulates),
      label: "width \(width)\(accumulates ? " added" : "")", buffers: [dy, x, r, dgain],
      items: width, tolerance: 1e-6)
  }
  return [
    norm("", new, .unset(rows)), norm("in place, no r", x, nil), inputGradient("", new),
    inputGradient("in place", dy),
    inputGradient("added", values(rows * width, &numbers), accumulates: true),
    gainGradient(.unset(width), accumulates: false),
    gainGradient(.floats(numbers.floats(width)), accumulates: true),
  ]
}

private func rotaryCases(width: Int, _ numbers: inout TestNumbers) -> [KernelCase] {
  let (heads, tokens, rows, half) = (3, 4, 6, width / 2)
  let cosine = TestBuffer.floats(numbers.floats(9 * half))
  let sine = TestBuffer.floats(numbers.floats(9 * half))
  let (ldx, ldy) = (heads * width + 3, heads * width + 1)
  let x = values(rows * ldx, &numbers)
  return [
    KernelCase(
      .rotary(
        heads: heads, headWidth: width, tokens: tokens, inputStride: ldx, outputStride: ldy,
        direction: 1, isBF16: true), label: "head width \(width)",
      buffers: [
        x, cosine, sine, .bfloat16(Array(repeating: .nan, count: rows * ldy)), nil,
      ], items: rows, tolerance: 0),
    KernelCase(
      .rotary(
        heads: heads, headWidth: width, tokens: tokens, inputStride: ldx, outputStride: ldx,
        direction: -1, isBF16: true),
      label: "head width \(width), gradient, in place, from position 5",
      buffers: [x, cosine, sine, x, .int32([5])], aliases: [3: 0], items: rows, tolerance: 0),
  ]
}

func bf16LossCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 33)
  return testWidths.dropFirst().flatMap { vocabulary -> [KernelCase] in
    let logits = TestBuffer.floats(numbers.floats(4 * vocabulary, limit: 15))
    let targets = TestBuffer.int32([0, -1, Int32(vocabulary - 1), Int32(vocabulary / 2)])
    return [false, true].map { gradient in
      KernelCase(
        .softmaxCrossEntropy(vocabulary: vocabulary, wantsGradient: gradient, isBF16: true),
        label: "vocabulary \(vocabulary), \(gradient)",
        // The gradient is compared as bf16: half of every row, then what is left of the logits.
        buffers: [
          gradient ? logits.reinterpreted(as: .bits16) : logits, targets, .unset(4),
          .floats([0.25]),
        ], items: 4, tolerance: oneRounding,
        ignoresSecondHalves: gradient)
    }
  }
    + [5, 40].map { count in
      KernelCase(
        .takeColumns(count: count, stride: 53, resultStride: count + 1, isBF16: true),
        label: "\(count) of 50",
        buffers: [
          .int32((0..<Int32(count)).map { ($0 * 7 + 3) % 50 }), values(3 * 53, &numbers),
          .bfloat16(Array(repeating: .nan, count: 3 * (count + 1))),
        ], items: 3, tolerance: 0)
    }
}

/// Updates of parameters and moments that are not both f32, over a block of 256 and a rest.
func bf16OptimizerCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 34)
  let hyper = TestBuffer.floats([0.01, 0.1, 0.05, 0.5, 0, 0, 3, 0])
  return (testWidths + [600]).flatMap { width -> [KernelCase] in
    let blocks = (width + 255) / 256
    let bytes = (0..<2).map { _ in
      TestBuffer.raw((0..<width).map { _ in UInt8(numbers.integer(below: 256)) })
    }
    // Four bits of element l and of l + 128; what stands for no element is 0.
    let nibbles = TestBuffer.raw(
      (0..<128 * blocks).map { place in
        let element = place / 128 * 256 + place % 128
        let low = element < width ? numbers.integer(below: 16) : 0
        return UInt8(low + (element + 128 < width ? 16 * numbers.integer(below: 16) : 0))
      })
    let scales = TestBuffer.floats((0..<blocks).map { _ in numbers.float().magnitude })
    let gradient = TestBuffer.floats(numbers.floats(width))
    return [ElementType.f32, .bf16].flatMap { type -> [KernelCase] in
      let parameter =
        type == .f32 ? TestBuffer.floats(numbers.floats(width)) : values(width, &numbers)
      let second = numbers.floats(width).map(\.magnitude)
      let moments: [(String, [TestBuffer])] = [
        ("f32", [.floats(numbers.floats(width)), .floats(second)]),
        ("bf16", [values(width, &numbers), .bfloat16(second)]), ("int8", bytes),
        ("int4", [nibbles, bytes[1]]),
      ]
      let directions = moments.filter { _ in type == .f32 }.map { kind, moments in
        KernelCase(
          .adamWDirection(
            moments: kind, number: 7, elements: width, betas: (0.9, 0.95), epsilon: 1e-8),
          label: "width \(width)",
          buffers: [gradient, gradient] + moments + [hyper, scales, scales],
          aliases: [1: 0], items: kind.hasPrefix("int") ? blocks : width, tolerance: oneRounding)
      }
      return directions
        + moments.filter { type != .f32 || $0.0 != "f32" }.map { kind, moments in
          KernelCase(
            .adamW(
              type, moments: kind, number: 7, elements: width, betas: (0.9, 0.95), epsilon: 1e-8,
              weightDecay: 0.1), label: "width \(width)",
            buffers: [parameter, gradient] + moments + [hyper, scales, scales],
            items: kind.hasPrefix("int") ? blocks : width, tolerance: oneRounding)
        }
    }
  }
}

func probeCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 35)
  // Words of two bf16 values each are also floats of the usual size.
  let a = values(128, &numbers)
  let b = numbers.floats(32)
  let starts = [Float](repeating: 0, count: 256)
  return ["probe_floats", "probe_pairs", "probe_bytes"].map { kernel in
    let words = TestBuffer.bfloat16(b).bytes + TestBuffer.floats(starts).bytes
    return KernelCase(
      NamedKernel(kernel, sizes: [3]), label: "3 rounds",
      buffers: [a, TestBuffer.raw(words), .unset(32)], items: 2,
      tolerance: 1e-5)
  }
}
