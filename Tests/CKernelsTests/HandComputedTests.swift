import CKernels
import Testing

/// The plain loops themselves, against values worked out by hand.
@Suite struct HandComputedTests {
  /// What buffer `slot` holds after the reference kernel has run over all items.
  private func result(
    _ name: String, _ buffers: [TestBuffer?], slot: Int, sizes: [Int] = [],
    scalars: [Float] = [], items: Int, scratchFloats: Int = 0
  ) throws -> [Double] {
    let testCase = KernelCase(
      kernel: name, label: "by hand", buffers: buffers, sizes: sizes, scalars: scalars,
      items: items, scratchFloats: scratchFloats, tolerance: 0)
    let after = testCase.run(try kernel(name, SFT_ISA_REFERENCE), .reference)
    return try #require(after[slot]).numbers
  }

  private func expectClose(
    _ found: [Double], _ expected: [Double], within tolerance: Double = 1e-6,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let close = zip(found, expected).allSatisfy { ($0 - $1).magnitude <= tolerance }
    #expect(
      found.count == expected.count && close, "\(found) ≠ \(expected)",
      sourceLocation: sourceLocation)
  }

  private let x: TestBuffer = .floats([1, 2, 3, 4])  // [[1, 2], [3, 4]]

  @Test func linear() throws {
    // W = [[1, −1], [2, 0], [0, 3]]: x·Wᵀ = [[−1, 2, 6], [−1, 6, 12]].
    let sizes = [2, 3, 2, 2, 2, 3, 0, 0, 1]
    let f32 = TestBuffer.floats([1, -1, 2, 0, 0, 3])
    let int8 = TestBuffer.int8([2, -2, 4, 0, 0, 1])
    let scales = TestBuffer.floats([0.5, 0.5, 3])
    let expected: [Double] = [-2, 4, 12, -2, 12, 24]
    for (name, w, scale) in [
      ("linear_f32", f32, nil), ("linear_bf16", .bfloat16([1, -1, 2, 0, 0, 3]), nil),
      ("linear_int8", int8, scales),
    ] {
      let y = try result(
        name, [x, w, scale, .unset(6)], slot: 3, sizes: sizes, scalars: [2], items: 2,
        scratchFloats: 2)
      expectClose(y, expected)
    }
    let added = try result(
      "linear_f32", [x, f32, nil, .floats([1, 1, 1, 1, 1, 1])], slot: 3,
      sizes: [2, 3, 2, 2, 2, 3, 1, 1, 1], scalars: [1], items: 3)
    expectClose(added, [0, 3, 7, 0, 7, 13])
  }

  @Test func linearGradients() throws {
    // dy = [[1, 0, 2], [0, 1, −1]]: dy·W = [[1, 5], [2, −3]]; dyᵀ·x = [[1, 2], [3, 4], [−1, 0]].
    let dy = TestBuffer.floats([1, 0, 2, 0, 1, -1])
    let dx = try result(
      "linear_input_gradient_f32", [dy, .floats([1, -1, 2, 0, 0, 3]), nil, .unset(4)], slot: 3,
      sizes: [2, 3, 2, 3, 2, 2, 0, 0, 1], scalars: [1], items: 2)
    expectClose(dx, [1, 5, 2, -3])
    let dw = try result(
      "linear_weight_gradient", [dy, x, .unset(6)], slot: 2, sizes: [2, 3, 2, 3, 2, 2, 0, 0],
      scalars: [1], items: 3)
    expectClose(dw, [1, 2, 3, 4, -1, 0])
    let sums = try result(
      "column_sum", [x, .floats([1, 1])], slot: 1, sizes: [2, 2, 1], items: 2)
    expectClose(sums, [5, 7])
    let biased = try result("bias_add", [x, .floats([10, 20])], slot: 0, sizes: [2, 2], items: 2)
    expectClose(biased, [11, 22, 13, 24])
  }

  @Test func embedding() throws {
    // Rows 5 and 6 of the vocabulary are here; token 9 is elsewhere and keeps its row.
    let ids = TestBuffer.int32([6, 9, 5, 6])
    let y = try result(
      "embedding_f32", [ids, x, nil, .floats(Array(repeating: -1, count: 8))], slot: 3,
      sizes: [2, 5, 2], items: 4)
    expectClose(y, [3, 4, -1, -1, 1, 2, 3, 4])
    let gradient = try result(
      "embedding_gradient", [ids, .floats([1, 2, 3, 4, 5, 6, 7, 8]), .unset(4)], slot: 2,
      sizes: [2, 5, 2, 4, 0], items: 2)
    expectClose(gradient, [5, 6, 8, 10])
  }

  @Test func normalisation() throws {
    // mean(x²) = (1 + 49)/2 = 25, so r = 1/5.
    let x = TestBuffer.floats([1, 7])
    let gain = TestBuffer.floats([5, 10])
    let y = try result(
      "rmsnorm", [x, gain, .unset(2), .unset(1)], slot: 2, sizes: [2], scalars: [0], items: 1)
    expectClose(y, [1, 14])
    // gain·dy = (5, −10), their mean with x is −32.5; dx = (1, −2) + x·32.5/125.
    let dy = TestBuffer.floats([1, -1])
    let r = TestBuffer.floats([0.2])
    let dx = try result(
      "rmsnorm_input_gradient", [dy, x, gain, r, .unset(2)], slot: 4, sizes: [2, 0], items: 1)
    expectClose(dx, [1.26, -0.18])
    let dgain = try result(
      "rmsnorm_gain_gradient", [dy, x, r, .unset(2)], slot: 3, sizes: [2, 1, 0], items: 2)
    expectClose(dgain, [0.2, -1.4])
  }

  @Test func rotary() throws {
    // Position 1 turns by a right angle: (a, b) → (−b, a); the gradient turns back.
    let cosine = TestBuffer.floats([1, 0])
    let sine = TestBuffer.floats([0, 1])
    let forward = try result(
      "rotary", [x, cosine, sine, .unset(4), nil], slot: 3, sizes: [1, 2, 2, 2, 2], scalars: [1],
      items: 2)
    expectClose(forward, [1, 2, -4, 3])
    let back = try result(
      "rotary", [x, cosine, sine, .unset(4), .int32([1])], slot: 3, sizes: [1, 2, 1, 2, 2],
      scalars: [-1], items: 2)
    expectClose(back, [2, -1, 4, -3])
  }

  @Test func attention() throws {
    // Scores of token 1: ln 3·(1·0, 1·1), so it looks at (1/4, 3/4) of the values 10 and 20.
    let k = TestBuffer.floats([0, 1])
    let buffers: [TestBuffer?] = [
      .floats([1, 1]), k, .floats([10, 20]), .int32([0, 0]), .unset(2), .unset(2),
    ]
    let sizes = [2, 1, 1, 1, 1, 1, 1, 1, 2]
    let ln3: Float = 1.0986123
    let o = try result(
      "attention", buffers, slot: 4, sizes: sizes, scalars: [ln3], items: 1, scratchFloats: 4)
    expectClose(o, [10, 17.5], within: 1e-5)
    let lse = try result(
      "attention", buffers, slot: 5, sizes: sizes, scalars: [ln3], items: 1, scratchFloats: 4)
    expectClose(lse, [0, 1.3862944])
    var separate = buffers  // token 1 begins a document of its own
    separate[3] = .int32([0, 1])
    let alone = try result(
      "attention", separate, slot: 4, sizes: sizes, scalars: [ln3], items: 1, scratchFloats: 4)
    expectClose(alone, [10, 20])
  }

  @Test func attentionGradient() throws {
    // As above with do = (0, 1): dP = (10, 20), Σ do·o = 17.5, P = (1/4, 3/4), so
    // dS = ln 3·(−1.875, 1.875); dq = dS·k, dk = dSᵀ·q, dv = Pᵀ·do.
    let buffers: [TestBuffer?] = [
      .floats([1, 1]), .floats([0, 1]), .floats([10, 20]), .int32([0, 0]), .floats([10, 17.5]),
      .floats([0, 1.3862944]), .floats([0, 1]), .unset(2), .unset(2), .unset(2),
    ]
    let expected: [[Double]] = [[0, 2.0598980], [-2.0598980, 2.0598980], [0.25, 0.75]]
    for (slot, values) in zip(7..., expected) {
      let gradient = try result(
        "attention_gradient", buffers, slot: slot, sizes: [2, 1, 1, 1, 1, 1, 1, 1, 2],
        scalars: [1.0986123], items: 1, scratchFloats: 10)
      expectClose(gradient, values, within: 1e-5)
    }
  }

  @Test func cachedAttention() throws {
    let o = try result(
      "attention_cached",
      [.floats([1]), .floats([0, 1, 9]), .floats([10, 20, 99]), .int32([1]), .unset(1)], slot: 4,
      sizes: [1, 1, 1, 1, 3], scalars: [1.0986123], items: 1, scratchFloats: 3)
    expectClose(o, [17.5], within: 1e-5)
    let cache = try result(
      "cache_store", [x, .floats([0, 0, 0, 0, 0, 0]), .int32([2])], slot: 1, sizes: [2, 3],
      items: 2)
    expectClose(cache, [0, 0, 0, 0, 1, 2])
  }

  @Test func activation() throws {
    // σ(ln 3) = 3/4.
    let buffers: [TestBuffer?] = [
      .floats([0, 1.0986123]), .floats([5, 2]), .floats([2, 1]), .unset(2), .unset(2),
    ]
    let s = try result("swiglu", [buffers[0], buffers[1], .unset(2)], slot: 2, items: 2)
    expectClose(s, [0, 1.6479184])
    // silu' = σ·(1 + g·(1 − σ)) = 1/2 and 3/4·(1 + ln 3/4).
    let dg = try result("swiglu_gradient", buffers, slot: 3, items: 2)
    expectClose(dg, [5, 1.9119796])
    let du = try result("swiglu_gradient", buffers, slot: 4, items: 2)
    expectClose(du, [0, 0.8239592])
  }

  @Test func loss() throws {
    // softmax(0, ln 3) = (1/4, 3/4).
    let buffers: [TestBuffer?] = [
      .floats([0, 1.0986123, 7, 8]), .int32([1, -1]), .unset(2), .floats([2]),
    ]
    let loss = try result("softmax_cross_entropy", buffers, slot: 2, sizes: [2, 1], items: 2)
    expectClose(loss, [0.2876821, 0])
    let gradient = try result("softmax_cross_entropy", buffers, slot: 0, sizes: [2, 1], items: 2)
    expectClose(gradient, [0.5, -0.5, 0, 0])
    let logits = try result("softmax_cross_entropy", buffers, slot: 0, sizes: [2, 0], items: 2)
    expectClose(logits, [0, 1.0986123, 7, 8])
  }

  @Test func columns() throws {
    // Columns 2 and 0 of two rows of three.
    let (ids, y) = (TestBuffer.int32([2, 0]), TestBuffer.floats([1, 2, 3, 4, 5, 6]))
    let scattered = try result(
      "scatter_columns", [ids, x, y], slot: 2, sizes: [2, 2, 3], items: 2)
    expectClose(scattered, [2, 2, 1, 4, 5, 3])
    let taken: [TestBuffer?] = [ids, y, .unset(4)]
    expectClose(
      try result("take_columns", taken, slot: 2, sizes: [2, 3, 2], items: 2), [3, 1, 6, 4])
    expectClose(
      try result("take_columns", taken, slot: 1, sizes: [2, 3, 2], items: 2), [0, 2, 0, 0, 5, 0])
  }

  @Test func elementwise() throws {
    expectClose(try result("add", [x, x, .unset(4)], slot: 2, items: 4), [2, 4, 6, 8])
    expectClose(try result("copy", [x, .unset(4)], slot: 1, items: 4), [1, 2, 3, 4])
    expectClose(try result("fill", [.unset(2)], slot: 0, scalars: [3], items: 2), [3, 3])
  }

  @Test func optimizers() throws {
    // Clip 1/2: g' = 2. m = 0.5·0 + 0.5·2 = 1, v = 0.75·0 + 0.25·4 = 1; with corrections 0.5 and
    // 0.25: m̂ = 2, v̂ = 4, step 0.1·2/2; decay 0.1·0.5·1.
    let hyper = TestBuffer.floats([0.1, 0.5, 0.25, 0.5, 0, 0, 0, 0])
    let buffers: [TestBuffer?] = [.floats([1]), .floats([4]), .floats([0]), .floats([0]), hyper]
    for (slot, expected) in [(0, 0.85), (2, 1.0), (3, 1.0)] {
      let value = try result(
        "adamw_f32_f32", buffers, slot: slot, scalars: [0.5, 0.75, 0, 0.5], items: 1)
      expectClose(value, [expected])
    }
    // g' = 0.5·4 + 0.5·1 = 2.5, m = 0.5·2 + 2.5 = 3.5, p = 1 − 0.1·3.5.
    let p = try result(
      "sgd", [.floats([1]), .floats([4]), .floats([2]), hyper], slot: 0, scalars: [0.5, 0.5],
      items: 1)
    expectClose(p, [0.65])
  }

  @Test func clipping() throws {
    // 65 elements: 33 parts of two (the last of one), the others empty.
    let ones = TestBuffer.floats(Array(repeating: 2, count: 65))
    let partial = try result(
      "squared_norm", [ones, .doubles(Array(repeating: 9, count: 64))], slot: 1, sizes: [65],
      items: 64)
    expectClose(
      partial, Array(repeating: 8, count: 32) + [4] + Array(repeating: 0, count: 31))
    let hyper = TestBuffer.floats([1, 2, 3, 4, 5, 6, 7, 8])
    let norms = TestBuffer.doubles([9, 16])
    for (limit, scale) in [(Float(2.5), 0.5), (10, 1), (0, 1)] {
      let after = try result(
        "clip_scale", [norms, hyper], slot: 1, sizes: [2], scalars: [limit], items: 1)
      expectClose(after, [1, 2, 3, scale, 5, 6, 7, 8])
    }
  }
}
