/// Every case of every kernel: one list for all instruction sets and products.
let kernelCases: [String: [KernelCase]] = {
  let cases =
    linearCases() + tiledProductCases() + gradientOfWeightCases() + biasCases() + embeddingCases()
    + normalisationCases()
    + rotaryCases() + attentionCases() + cachedAttentionCases() + activationCases() + lossCases()
    + columnCases() + elementwiseCases() + optimizerCases() + scoreCases()
    + narrowProductCases() + quantisedCases() + narrowElementwiseCases() + narrowLossCases()
    + narrowOptimizerCases() + narrowAttentionCases() + probeCases()
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

/// The ways to call a product: split axis, accumulate, alpha.
private let productModes: [(axis: Int, accumulate: Int, alpha: Float)] = [
  (0, 0, 1), (1, 0, -0.5), (0, 1, 2), (1, 1, 1),
]

private func weights(
  _ type: String, rows: Int, columns: Int, stride: Int, _ numbers: inout TestNumbers
) -> (weights: TestBuffer, scales: TestBuffer?) {
  let count = max(0, (rows - 1) * stride + columns)
  switch type {
  case "bf16": return (.bfloat16(numbers.floats(count)), nil)
  case "int8":
    let values = (0..<count).map { _ in Int8(truncatingIfNeeded: Int(numbers.bits() & 0xFF)) }
    return (.int8(values), .floats(numbers.floats(rows, limit: 0.01)))
  default: return (.floats(numbers.floats(count)), nil)
  }
}

/// An output that is to be added to, or one that nothing may read.
private func output(_ accumulate: Int, _ count: Int, _ numbers: inout TestNumbers) -> TestBuffer {
  accumulate == 1 ? .floats(numbers.floats(count)) : .unset(count)
}

func linearCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 1)
  var cases: [KernelCase] = []
  for type in ["f32", "bf16", "int8"] {
    for (index, size) in productSizes.enumerated() {
      let (m, n, k) = size
      for mode in [productModes[index % 4], productModes[(index + 1) % 4]] {
        let (ldx, ldw, ldy) = (k + 3, k + 1, n + 2)
        let w = weights(type, rows: n, columns: k, stride: ldw, &numbers)
        cases.append(
          KernelCase(
            kernel: "linear_\(type)", label: "m \(m) n \(n) k \(k) \(mode)",
            buffers: [
              .floats(numbers.floats(m * ldx)), w.weights, w.scales,
              output(mode.accumulate, m * ldy, &numbers),
            ], sizes: [m, n, k, ldx, ldw, ldy, mode.accumulate, mode.axis, 4],
            scalars: [mode.alpha], items: mode.axis == 0 ? m : n, scratchFloats: 4 * k,
            tolerance: 3e-5,  // observed 5.9e-6 (k = 1000)
            splitsExactly: m <= 4))
        let (lddy, lddx) = (n + 2, k + 3)
        cases.append(
          KernelCase(
            kernel: "linear_input_gradient_\(type)", label: "m \(m) n \(n) k \(k) \(mode)",
            buffers: [
              .floats(numbers.floats(m * lddy)), w.weights, w.scales,
              output(mode.accumulate, m * lddx, &numbers),
            ], sizes: [m, n, k, lddy, ldw, lddx, mode.accumulate, mode.axis, 4],
            scalars: [mode.alpha], items: mode.axis == 0 ? m : k, scratchFloats: 4 * k,
            tolerance: 3e-5,  // observed 1.0e-5 (n = 1000)
            splitsExactly: false))
      }
    }
  }
  return cases
}

/// The same products by own tiles, whose results do not depend on how they are split.
func tiledProductCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 36)
  var cases: [KernelCase] = []
  for (index, size) in (productSizes + longSums).enumerated() {
    let (m, n, k) = size
    let (ldx, ldw, ldy) = (k + 3, k + 1, n + 2)
    func add(
      _ kernel: String, _ operands: [TestBuffer?], _ result: (stride: Int, rows: Int, columns: Int),
      summed: Int, strides: [Int], mode: (axis: Int, accumulate: Int, alpha: Float)
    ) {
      cases.append(
        KernelCase(
          kernel: kernel, label: "m \(m) n \(n) k \(k) \(mode)",
          buffers: operands + [output(mode.accumulate, result.rows * result.stride, &numbers)],
          sizes: [m, n, k] + strides + [result.stride, mode.accumulate, mode.axis, 4],
          scalars: [mode.alpha], items: mode.axis == 0 ? result.rows : result.columns,
          scratchFloats: tileScratch(summed: summed, columns: result.columns),
          tolerance: 6e-5))
    }
    for (offset, type) in ["f32", "bf16", "int8"].enumerated() {
      let mode = productModes[(index + offset) % 4]
      let w = weights(type, rows: n, columns: k, stride: ldw, &numbers)
      add(
        "tiled_linear_\(type)", [.floats(numbers.floats(m * ldx)), w.weights, w.scales],
        (ldy, m, n), summed: k, strides: [ldx, ldw], mode: mode)
      add(
        "tiled_linear_input_gradient_\(type)",
        [.floats(numbers.floats(m * ldy)), w.weights, w.scales], (ldx, m, k), summed: n,
        strides: [ldy, ldw], mode: mode)
    }
    add(
      "tiled_linear_weight_gradient",
      [.floats(numbers.floats(m * ldy)), .floats(numbers.floats(m * ldx))], (k + 4, n, k),
      summed: m, strides: [ldy, ldx], mode: productModes[index % 4])
  }
  return cases
}

func gradientOfWeightCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 2)
  return productSizes.enumerated().map { index, size in
    let (m, n, k) = size
    let mode = productModes[index % 4]
    let (lddy, ldx, lddw) = (n + 1, k + 2, k + 3)
    return KernelCase(
      kernel: "linear_weight_gradient", label: "m \(m) n \(n) k \(k) \(mode)",
      buffers: [
        .floats(numbers.floats(m * lddy)), .floats(numbers.floats(m * ldx)),
        output(mode.accumulate, n * lddw, &numbers),
      ], sizes: [m, n, k, lddy, ldx, lddw, mode.accumulate, mode.axis], scalars: [mode.alpha],
      items: mode.axis == 0 ? n : k, tolerance: 3e-5,  // observed 5.1e-6 (m = 1000)
      splitsExactly: false)
  }
}

func biasCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 3)
  return testWidths.flatMap { width in
    [
      KernelCase(
        kernel: "bias_add", label: "width \(width)",
        buffers: [.floats(numbers.floats(3 * (width + 2))), .floats(numbers.floats(width))],
        sizes: [width, width + 2], items: 3, tolerance: 0),
      KernelCase(
        kernel: "column_sum", label: "width \(width)",
        buffers: [.floats(numbers.floats(5 * (width + 2))), .unset(width)],
        sizes: [5, width + 2, 0], items: width, tolerance: 1e-6),  // observed 7.9e-8
      KernelCase(
        kernel: "column_sum", label: "\(width) rows, added",
        buffers: [.floats(numbers.floats(width * 19)), .floats(numbers.floats(19))],
        sizes: [width, 19, 1], items: 19, tolerance: 1e-5),  // observed 3.1e-6 (1000 rows)
    ]
  }
}

func embeddingCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 4)
  let ids: [Int32] = [3, 0, 7, -1, 4, 3, 11, 6]  // rows 3 ..< 8 are there
  var cases: [KernelCase] = []
  for width in testWidths {
    for type in ["f32", "bf16", "int8"] {
      let table = weights(type, rows: 5, columns: width, stride: width, &numbers)
      cases.append(
        KernelCase(
          kernel: "embedding_\(type)", label: "width \(width)",
          buffers: [
            .int32(ids), table.weights, table.scales,
            .floats(numbers.floats(ids.count * width)),
          ], sizes: [width, 3, 5], items: ids.count, tolerance: 0))
    }
    for accumulate in [0, 1] {
      cases.append(
        KernelCase(
          kernel: "embedding_gradient", label: "width \(width) accumulate \(accumulate)",
          buffers: [
            .int32(ids), .floats(numbers.floats(ids.count * width)),
            output(accumulate, 5 * width, &numbers),
          ], sizes: [width, 3, 5, ids.count, accumulate], items: width, tolerance: 0))
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
        kernel: "rmsnorm", label: "width \(width)",
        buffers: [x, gain, .unset(count), .unset(3)], sizes: [width], scalars: [1e-5], items: 3,
        tolerance: 1e-6),  // observed 1.3e-7
      KernelCase(
        kernel: "rmsnorm", label: "width \(width) in place, no r", buffers: [x, gain, x, nil],
        aliases: [2: 0], sizes: [width], scalars: [1e-5], items: 3, tolerance: 1e-6),
      KernelCase(
        kernel: "rmsnorm_input_gradient", label: "width \(width)",
        buffers: gradient + [.unset(count)], sizes: [width, 0], items: 3,
        tolerance: 1e-6),  // observed 2.0e-7
      KernelCase(
        kernel: "rmsnorm_input_gradient", label: "width \(width) added",
        buffers: gradient + [.floats(numbers.floats(count))], sizes: [width, 1], items: 3,
        tolerance: 1e-6),
      KernelCase(
        kernel: "rmsnorm_input_gradient", label: "width \(width) in place",
        buffers: gradient + [dy], aliases: [4: 0], sizes: [width, 0], items: 3,
        tolerance: 1e-6),
      KernelCase(
        kernel: "rmsnorm_gain_gradient", label: "width \(width)",
        buffers: [dy, x, r, .unset(width)], sizes: [width, 3, 0], items: width,
        tolerance: 1e-6),  // observed 2.4e-7
      KernelCase(
        kernel: "rmsnorm_gain_gradient", label: "width \(width) added",
        buffers: [dy, x, r, .floats(numbers.floats(width))], sizes: [width, 3, 1], items: width,
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
        kernel: "rotary", label: "head width \(width)",
        buffers: [x, cosine, sine, .unset(rows * ldy), nil],
        sizes: [heads, width, tokens, ldx, ldy], scalars: [1], items: rows,
        tolerance: 0),
      KernelCase(
        kernel: "rotary", label: "head width \(width), gradient, in place, from position 5",
        buffers: [x, cosine, sine, x, .int32([5])], aliases: [3: 0],
        sizes: [heads, width, tokens, ldx, ldx], scalars: [-1], items: rows, tolerance: 0),
    ]
  }
}

func activationCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 7)
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
        kernel: "swiglu", label: "width \(width) \(label)", buffers: [g, u, out],
        aliases: aliases, items: width, tolerance: 5e-7)  // observed 1.3e-7
    }
    func gradient(
      _ label: String, _ dg: TestBuffer?, _ du: TestBuffer?, _ aliases: [Int: Int] = [:]
    ) -> KernelCase {
      KernelCase(
        kernel: "swiglu_gradient", label: "width \(width) \(label)",
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
    return [(scale, 0), (nil, 1), (scale, 1)].map { scale, gradient in
      KernelCase(
        kernel: "softmax_cross_entropy",
        label: "vocabulary \(vocabulary) scale \(scale != nil) gradient \(gradient)",
        buffers: [logits, targets, .unset(4), scale], sizes: [vocabulary, gradient], items: 4,
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
        kernel: "add", label: "width \(width) \(label)", buffers: [a, b, c], aliases: aliases,
        items: width, tolerance: 0)
    }
    return [
      add("", new), add("onto a", a, [2: 0]), add("onto b", b, [2: 1]),
      KernelCase(
        kernel: "copy", label: "width \(width)", buffers: [a, new], items: width, tolerance: 0),
      KernelCase(
        kernel: "fill", label: "width \(width)", buffers: [new], scalars: [0.75], items: width,
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
        kernel: "adamw_f32_f32", label: "width \(width)", buffers: [p, g, m, v, hyper],
        scalars: [0.9, 0.95, 1e-8, 0.1], items: width, tolerance: 3e-7),  // observed 6.6e-8
      KernelCase(
        kernel: "sgd", label: "width \(width)", buffers: [p, g, m, hyper], scalars: [0.9, 0.1],
        items: width, tolerance: 3e-7),  // observed 6.0e-8
      KernelCase(
        kernel: "squared_norm", label: "width \(width)",
        buffers: [g, .doubles(Array(repeating: .nan, count: 64))], sizes: [width], items: 64,
        tolerance: 1e-12),  // observed 0: sums of 16
    ]
      + [0, 0.5, 1e9].map { limit in
        KernelCase(
          kernel: "clip_scale", label: "\(width) partials, limit \(limit)",
          buffers: [.doubles(partials), hyper], sizes: [width], scalars: [limit], items: 1,
          tolerance: 1e-7)  // observed 0
      }
  }
}
