import CKernels

// Cases of the kernels on bf16 values and on bytes. Results in bf16 may differ by one rounding from
// the reference, where sums that differ in the last bits of f32 lie between two bf16 values.

/// One rounding of a bf16 value: 2⁻⁸ of it, with some room for products of rounded terms.
private let oneRounding = 0.0079

/// Shapes of products: (m, n, k), each width in each place.
private let sizes: [(m: Int, n: Int, k: Int)] =
  testWidths.flatMap { [(5, 3, $0), (6, $0, 9), ($0, 5, 8)] }
  + [(33, 70, 65), (2, 65, 1000), (9, 40, 4100), (70, 33, 34)]

/// The ways to call a product: split axis, accumulate, alpha, result in bf16.
private let modes: [(axis: Int, accumulate: Int, alpha: Float, narrow: Int)] = [
  (0, 0, 1, 0), (1, 0, -0.5, 1), (0, 1, 2, 1), (1, 1, 1, 0), (1, 0, 1, 0), (0, 0, 1, 1),
]

/// Scratch as sft_kernels.def counts it, in floats.
private func productScratch(summed: Int, columns: Int, narrow: Int) -> Int {
  let length = narrow == 1 ? summed : min(summed, 4096)
  let p = max(64, (length + 63) / 64 * 64)
  let panels = min(393_216, 2 * p * ((columns + 31) / 32 * 32))
  return (max(64 * p, panels) + 128 * p + 3) / 4
}

private func values(_ count: Int, _ numbers: inout TestNumbers) -> TestBuffer {
  .bfloat16(numbers.floats(count))
}

private func weights(_ type: String, _ count: Int, _ rows: Int, _ numbers: inout TestNumbers)
  -> (weights: TestBuffer, scales: TestBuffer?)
{
  switch type {
  case "f32": return (.floats(numbers.floats(count)), nil)
  case "bf16": return (values(count, &numbers), nil)
  default:
    let bytes = (0..<count).map { _ in Int8(truncatingIfNeeded: Int(numbers.bits() & 0xFF)) }
    return (.int8(bytes), .floats(numbers.floats(rows, limit: 0.01)))
  }
}

/// Weights with scales that make bytes of them.
private func scaledWeights(
  _ type: String, _ count: Int, _ rows: Int, _ numbers: inout TestNumbers
) -> (weights: TestBuffer, scales: TestBuffer?) {
  let plain = weights(type, count, rows, &numbers)
  // Elements are below 1; one row has nothing but zeros, as far as its scale tells.
  let scales = (0..<rows).map { $0 == 1 ? 0 : 0.01 + numbers.float(0.001).magnitude }
  return (plain.weights, plain.scales ?? .floats(scales))
}

private func output(
  _ mode: (axis: Int, accumulate: Int, alpha: Float, narrow: Int), _ count: Int,
  _ numbers: inout TestNumbers
) -> TestBuffer {
  let unset = Array(repeating: Float.nan, count: count)
  let old = mode.accumulate == 1 ? numbers.floats(count) : unset
  return mode.narrow == 1 ? .bfloat16(old) : .floats(old)
}

func narrowProductCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 30)
  var cases: [KernelCase] = []
  for (index, size) in sizes.enumerated() {
    let (m, n, k) = size
    for (offset, type) in ["f32", "bf16", "int8"].enumerated() {
      let mode = modes[(index + offset) % modes.count]
      // Observed with results in f32: 1.8e-5, at 4100 terms.
      let tolerance = mode.narrow == 1 ? oneRounding : 6e-5
      let (ldx, ldw, ldy) = (k + 3, k + 1, n + 2)
      let w = weights(type, max(0, n - 1) * ldw + k, n, &numbers)
      cases.append(
        KernelCase(
          kernel: "narrow_linear_\(type)", label: "m \(m) n \(n) k \(k) \(mode)",
          buffers: [
            values(m * ldx, &numbers), w.weights, w.scales, output(mode, m * ldy, &numbers),
          ],
          sizes: [m, n, k, ldx, ldw, ldy, mode.accumulate, mode.axis, mode.narrow],
          scalars: [mode.alpha], items: mode.axis == 0 ? m : n,
          scratchFloats: productScratch(summed: k, columns: n, narrow: mode.narrow),
          tolerance: tolerance))
      let (lddy, lddx) = (n + 2, k + 3)
      cases.append(
        KernelCase(
          kernel: "narrow_linear_input_gradient_\(type)", label: "m \(m) n \(n) k \(k) \(mode)",
          buffers: [
            values(m * lddy, &numbers), w.weights, w.scales, output(mode, m * lddx, &numbers),
          ],
          sizes: [m, n, k, lddy, ldw, lddx, mode.accumulate, mode.axis, mode.narrow],
          scalars: [mode.alpha], items: mode.axis == 0 ? m : k,
          scratchFloats: productScratch(summed: n, columns: k, narrow: mode.narrow),
          tolerance: tolerance))
    }
    let mode = modes[index % modes.count]
    cases.append(
      KernelCase(
        kernel: "narrow_linear_weight_gradient", label: "m \(m) n \(n) k \(k) \(mode)",
        buffers: [
          values(m * (n + 1), &numbers), values(m * (k + 2), &numbers),
          output(mode, n * (k + 3), &numbers),
        ],
        sizes: [m, n, k, n + 1, k + 2, k + 3, mode.accumulate, mode.axis, mode.narrow],
        scalars: [mode.alpha], items: mode.axis == 0 ? n : k,
        scratchFloats: productScratch(summed: m, columns: k, narrow: mode.narrow),
        tolerance: mode.narrow == 1 ? oneRounding : 6e-5))
  }
  return cases
}

func quantisedCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 31)
  var cases: [KernelCase] = []
  for (index, size) in sizes.enumerated() {
    let (m, n, k) = size
    let type = ["f32", "bf16", "int8"][index % 3]
    let mode = modes[(index + index / 3) % modes.count]
    let w = scaledWeights(type, max(0, n - 1) * (k + 1) + k, n, &numbers)
    let bytes = (0..<m * k).map { _ in Int8(truncatingIfNeeded: Int(numbers.bits() & 0xFF)) }
    cases.append(
      KernelCase(
        kernel: "quantised_linear_\(type)", label: "m \(m) n \(n) k \(k) \(mode)",
        buffers: [
          .int8(bytes), w.weights, w.scales, output(mode, m * (n + 2), &numbers),
          .floats(numbers.floats(m, limit: 0.01)),
        ],
        sizes: [m, n, k, k, k + 1, n + 2, mode.accumulate, mode.axis, mode.narrow],
        scalars: [mode.alpha], items: mode.axis == 0 ? m : n,
        scratchFloats: productScratch(summed: k, columns: n, narrow: 1),
        tolerance: mode.narrow == 1 ? oneRounding : 1e-6))  // observed 2.0e-7: sums are exact
  }
  for (index, size) in sizes.enumerated() {
    let (m, n, k) = size
    let type = ["int8", "f32", "bf16"][index % 3]
    let mode = modes[(index + index / 3) % modes.count]
    let w = scaledWeights(type, max(0, n - 1) * (k + 1) + k, n, &numbers)
    let bytes = (0..<m * n).map { _ in Int8(truncatingIfNeeded: Int(numbers.bits() & 0xFF)) }
    cases.append(
      KernelCase(
        kernel: "quantised_linear_input_gradient_\(type)", label: "m \(m) n \(n) k \(k) \(mode)",
        buffers: [
          .int8(bytes), w.weights, w.scales, output(mode, m * (k + 2), &numbers),
          .floats(numbers.floats(m, limit: 1e-4)),
        ],
        sizes: [m, n, k, n, k + 1, k + 2, mode.accumulate, mode.axis, mode.narrow],
        scalars: [mode.alpha], items: mode.axis == 0 ? m : k,
        scratchFloats: productScratch(summed: n, columns: k, narrow: 1),
        tolerance: mode.narrow == 1 ? oneRounding : 1e-6))
  }
  for width in testWidths {
    cases.append(
      KernelCase(
        kernel: "quantise_rows", label: "width \(width), scaled columns",
        buffers: [
          values(3 * (width + 2), &numbers), .int8(Array(repeating: 0, count: 3 * width)),
          .unset(3), .floats(numbers.floats(width, limit: 0.01)),
        ], sizes: [width, width + 2], items: 3, tolerance: 0))
    cases.append(
      KernelCase(
        kernel: "quantise_rows", label: "width \(width)",
        buffers: [
          values(3 * (width + 2), &numbers), .int8(Array(repeating: 0, count: 3 * width)),
          .unset(3), nil,
        ], sizes: [width, width + 2], items: 3, tolerance: 0))
    cases.append(
      KernelCase(
        kernel: "quantise_rows", label: "width \(width) of zeros",
        buffers: [
          .bfloat16(Array(repeating: 0, count: width)), .int8(Array(repeating: 0, count: width)),
          .unset(1), nil,
        ], sizes: [width, width], items: 1, tolerance: 0))
    cases.append(
      KernelCase(
        kernel: "row_scales_f32", label: "width \(width)",
        buffers: [.floats(numbers.floats(3 * width)), .unset(3)], sizes: [width], items: 3,
        tolerance: 0))
    cases.append(
      KernelCase(
        kernel: "row_scales_bf16", label: "width \(width)",
        buffers: [values(3 * width, &numbers), .unset(3)], sizes: [width], items: 3,
        tolerance: 0))
  }
  return cases
}

func narrowElementwiseCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 32)
  return testWidths.flatMap { width -> [KernelCase] in
    let a = values(width, &numbers)
    let b = values(width, &numbers)
    let ds = values(width, &numbers)
    let new = TestBuffer.bfloat16(Array(repeating: .nan, count: width))
    func activation(_ label: String, _ out: TestBuffer, _ aliases: [Int: Int] = [:]) -> KernelCase {
      KernelCase(
        kernel: "swiglu_bf16", label: "width \(width) \(label)", buffers: [a, b, out],
        aliases: aliases, items: width, tolerance: oneRounding)
    }
    func gradient(
      _ label: String, _ dg: TestBuffer?, _ du: TestBuffer?, _ aliases: [Int: Int] = [:]
    ) -> KernelCase {
      KernelCase(
        kernel: "swiglu_gradient_bf16", label: "width \(width) \(label)",
        buffers: [a, b, ds, dg, du], aliases: aliases, items: width, tolerance: oneRounding)
    }
    let x = TestBuffer.floats(numbers.floats(3 * width))
    let gain = TestBuffer.floats(numbers.floats(width, limit: 2))
    return [
      activation("", new), activation("onto g", a, [2: 0]), activation("onto u", b, [2: 1]),
      gradient("both", new, new), gradient("dg", new, nil), gradient("du", nil, new),
      gradient("onto g, u", a, b, [3: 0, 4: 1]), gradient("onto ds, u", ds, b, [3: 2, 4: 1]),
      KernelCase(
        kernel: "narrow", label: "width \(width)",
        buffers: [.floats(numbers.floats(width)), new], items: width, tolerance: 0),
      KernelCase(
        kernel: "widen", label: "width \(width)", buffers: [a, .unset(width)], items: width,
        tolerance: 0),
      KernelCase(
        kernel: "add_bf16", label: "width \(width)", buffers: [a, b, new], items: width,
        tolerance: 0),
      KernelCase(
        kernel: "rmsnorm_bf16", label: "width \(width)",
        buffers: [
          x, gain, .bfloat16(Array(repeating: .nan, count: 3 * width)), .unset(3),
        ], sizes: [width], scalars: [1e-5], items: 3, tolerance: oneRounding),
      KernelCase(
        kernel: "bias_add_bf16", label: "width \(width)",
        buffers: [values(3 * (width + 2), &numbers), .floats(numbers.floats(width))],
        sizes: [width, width + 2], items: 3, tolerance: 0),
      KernelCase(
        kernel: "column_sum_bf16", label: "width \(width)",
        buffers: [values(5 * (width + 2), &numbers), .unset(width)],
        sizes: [5, width + 2, 0], items: width, tolerance: 1e-6),
      KernelCase(
        kernel: "column_sum_bf16", label: "\(width) rows, added",
        buffers: [values(width * 19, &numbers), .floats(numbers.floats(19))],
        sizes: [width, 19, 1], items: 19, tolerance: 1e-5),
    ] + rotaryCases(width: 2 * width, &numbers)
  }
}

private func rotaryCases(width: Int, _ numbers: inout TestNumbers) -> [KernelCase] {
  let (heads, tokens, rows, half) = (3, 4, 6, width / 2)
  let cosine = TestBuffer.floats(numbers.floats(9 * half))
  let sine = TestBuffer.floats(numbers.floats(9 * half))
  let (ldx, ldy) = (heads * width + 3, heads * width + 1)
  let x = values(rows * ldx, &numbers)
  return [
    KernelCase(
      kernel: "rotary_bf16", label: "head width \(width)",
      buffers: [
        x, cosine, sine, .bfloat16(Array(repeating: .nan, count: rows * ldy)), nil,
      ],
      sizes: [heads, width, tokens, ldx, ldy], scalars: [1], items: rows, tolerance: 0),
    KernelCase(
      kernel: "rotary_bf16", label: "head width \(width), gradient, in place, from position 5",
      buffers: [x, cosine, sine, x, .int32([5])], aliases: [3: 0],
      sizes: [heads, width, tokens, ldx, ldx], scalars: [-1], items: rows, tolerance: 0),
  ]
}

func narrowLossCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 33)
  return testWidths.dropFirst().flatMap { vocabulary -> [KernelCase] in
    let logits = TestBuffer.floats(numbers.floats(4 * vocabulary, limit: 15))
    let targets = TestBuffer.int32([0, -1, Int32(vocabulary - 1), Int32(vocabulary / 2)])
    return [0, 1].map { gradient in
      KernelCase(
        kernel: "softmax_cross_entropy_bf16", label: "vocabulary \(vocabulary), \(gradient)",
        // The gradient is compared as bf16: half of every row, then what is left of the logits.
        buffers: [
          gradient == 1 ? logits.reinterpreted(as: .bits16) : logits, targets, .unset(4),
          .floats([0.25]),
        ], sizes: [vocabulary, gradient], items: 4, tolerance: oneRounding,
        ignoresSecondHalves: gradient == 1)
    }
  }
    + [5, 40].map { count in
      KernelCase(
        kernel: "take_columns_bf16", label: "\(count) of 50",
        buffers: [
          .int32((0..<Int32(count)).map { ($0 * 7 + 3) % 50 }), values(3 * 53, &numbers),
          .bfloat16(Array(repeating: .nan, count: 3 * (count + 1))),
        ], sizes: [count, 53, count + 1], items: 3, tolerance: 0)
    }
}

/// Updates of parameters and moments that are not both f32, over a block of 256 and a rest.
func narrowOptimizerCases() -> [KernelCase] {
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
    return ["f32", "bf16"].flatMap { type in
      let parameter =
        type == "f32" ? TestBuffer.floats(numbers.floats(width)) : values(width, &numbers)
      let second = numbers.floats(width).map(\.magnitude)
      let moments: [(String, [TestBuffer])] = [
        ("f32", [.floats(numbers.floats(width)), .floats(second)]),
        ("bf16", [values(width, &numbers), .bfloat16(second)]), ("int8", bytes),
        ("int4", [nibbles, bytes[1]]),
      ]
      return moments.filter { type != "f32" || $0.0 != "f32" }.map { kind, moments in
        KernelCase(
          kernel: "adamw_\(type)_\(kind)", label: "width \(width)",
          buffers: [parameter, gradient] + moments + [hyper, scales, scales],
          sizes: [7, width], scalars: [0.9, 0.95, 1e-8, 0.1],
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
      kernel: kernel, label: "3 rounds",
      buffers: [a, TestBuffer.raw(words), .unset(32)], sizes: [3], items: 2,
      tolerance: 1e-5)
  }
}
