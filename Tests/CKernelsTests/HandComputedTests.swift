import CKernels
import Programs
import Tensors
import Testing

/// The plain loops themselves, against values worked out by hand.
@Suite struct HandComputedTests {
  /// What buffer `slot` holds after the reference kernel has run over all items.
  private func result(
    _ call: NamedKernel, _ buffers: [TestBuffer?], slot: Int, items: Int, scratchFloats: Int = 0
  ) throws -> [Double] {
    let testCase = KernelCase(
      call, label: "by hand", buffers: buffers, items: items, scratchFloats: scratchFloats,
      tolerance: 0)
    let after = testCase.run(try kernel(call.name, SFT_ISA_REFERENCE), .reference)
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

  /// What a product of two rows x, or dy, and three outputs gives.
  private func result(
    _ kind: ProductKind, _ type: ElementType? = nil, left: TestBuffer, right: TestBuffer,
    rightScales: TestBuffer? = nil, into result: TestBuffer, adds: Bool = false,
    split: ProductSplit = .rows, alpha: Float = 1
  ) throws -> [Double] {
    let product = MatrixProduct(
      Product(kind, operands: .f32, weightType: type, m: 2, n: 3, k: 2), accumulates: adds,
      split: split, panelRows: kind == .weightGradient ? 0 : 1, alpha: alpha)
    let buffers = product.buffers(
      left: left, right: right, rightScales: rightScales, result: result)
    return try self.result(
      product.encoded, buffers, slot: kind == .weightGradient ? 2 : 3, items: product.items,
      scratchFloats: 2)
  }

  /// Of the row [1, −2] 2 becomes 127, and 1 rounds to 64; a row of zeros stays one. The bytes are 128
  /// more, here as signed ones.
  @Test func rowsAsBytes() throws {
    let rows = TestBuffer.floats([1, -2, 0, 0])
    let bytes = TestBuffer.raw([0, 0, 0, 0])
    let quantise = NamedKernel("quantise_rows_f32", sizes: [2])
    #expect(
      try result(quantise, [rows, bytes, .unset(2)], slot: 1, items: 2) == [-64, 1, -128, -128])
    expectClose(
      try result(quantise, [rows, bytes, .unset(2)], slot: 2, items: 2), [2.0 / 127, 0])
    for (type, unset) in [("f32", TestBuffer.unset(4)), ("bf16", .bfloat16([9, 9, 9, 9]))] {
      let found = try result(
        NamedKernel("restore_rows_\(type)", sizes: [2]),
        [.raw([192, 1, 128, 128]), .floats([0.5, 2]), unset], slot: 2, items: 2)
      #expect(found == [32, -63.5, 0, 0])
    }
  }

  @Test func linear() throws {
    // W = [[1, −1], [2, 0], [0, 3]]: x·Wᵀ = [[−1, 2, 6], [−1, 6, 12]].
    let f32 = TestBuffer.floats([1, -1, 2, 0, 0, 3])
    let int8 = TestBuffer.int8([2, -2, 4, 0, 0, 1])
    let scales = TestBuffer.floats([0.5, 0.5, 3])
    let expected: [Double] = [-2, 4, 12, -2, 12, 24]
    for (type, w, scale) in [
      (ElementType.f32, f32, nil), (.bf16, .bfloat16([1, -1, 2, 0, 0, 3]), nil),
      (.int8, int8, scales),
    ] {
      let y = try result(
        .forward, type, left: x, right: w, rightScales: scale, into: .unset(6), alpha: 2)
      expectClose(y, expected)
    }
    let added = try result(
      .forward, .f32, left: x, right: f32, into: .floats([1, 1, 1, 1, 1, 1]), adds: true,
      split: .columns)
    expectClose(added, [0, 3, 7, 0, 7, 13])
  }

  @Test func linearGradients() throws {
    // dy = [[1, 0, 2], [0, 1, −1]]: dy·W = [[1, 5], [2, −3]]; dyᵀ·x = [[1, 2], [3, 4], [−1, 0]].
    let dy = TestBuffer.floats([1, 0, 2, 0, 1, -1])
    let dx = try result(
      .inputGradient, .f32, left: dy, right: .floats([1, -1, 2, 0, 0, 3]), into: .unset(4))
    expectClose(dx, [1, 5, 2, -3])
    let dw = try result(.weightGradient, left: dy, right: x, into: .unset(6))
    expectClose(dw, [1, 2, 3, 4, -1, 0])
    let sums = try result(
      .columnSum(rows: 2, stride: 2, accumulates: true), [x, .floats([1, 1])], slot: 1, items: 2)
    expectClose(sums, [5, 7])
    let biased = try result(
      .biasAdd(columns: 2, stride: 2), [x, .floats([10, 20])], slot: 0, items: 2)
    expectClose(biased, [11, 22, 13, 24])
  }

  @Test func embedding() throws {
    // Rows 5 and 6 of the vocabulary are here; token 9 is elsewhere and keeps its row.
    let ids = TestBuffer.int32([6, 9, 5, 6])
    let y = try result(
      .embedding(.f32, width: 2, firstRow: 5, rows: 2),
      [ids, x, nil, .floats(Array(repeating: -1, count: 8))], slot: 3, items: 4)
    expectClose(y, [3, 4, -1, -1, 1, 2, 3, 4])
    let gradient = try result(
      .embeddingGradient(width: 2, firstRow: 5, rows: 2, tokens: 4, accumulates: false),
      [ids, .floats([1, 2, 3, 4, 5, 6, 7, 8]), .unset(4)], slot: 2, items: 2)
    expectClose(gradient, [5, 6, 8, 10])
  }

  @Test func normalisation() throws {
    // mean(x²) = (1 + 49)/2 = 25, so r = 1/5.
    let x = TestBuffer.floats([1, 7])
    let gain = TestBuffer.floats([5, 10])
    let y = try result(
      .rmsnorm(width: 2, epsilon: 0), [x, gain, .unset(2), .unset(1)], slot: 2, items: 1)
    expectClose(y, [1, 14])
    // gain·dy = (5, −10), their mean with x is −32.5; dx = (1, −2) + x·32.5/125.
    let dy = TestBuffer.floats([1, -1])
    let r = TestBuffer.floats([0.2])
    let dx = try result(
      .rmsnormInputGradient(width: 2, accumulates: false), [dy, x, gain, r, .unset(2)], slot: 4,
      items: 1)
    expectClose(dx, [1.26, -0.18])
    let dgain = try result(
      .rmsnormGainGradient(width: 2, rows: 1, accumulates: false), [dy, x, r, .unset(2)], slot: 3,
      items: 2)
    expectClose(dgain, [0.2, -1.4])
  }

  /// The numbers of `normalisation`, which bf16 holds, rounded where it doesn't.
  @Test func headNormalisationInBF16() throws {
    let x = TestBuffer.bfloat16([1, 7])
    let gain = TestBuffer.floats([5, 10])
    let y = try result(
      .headNorm(width: 2, epsilon: 0), [x, gain, .bfloat16([0, 0]), .unset(1)], slot: 2, items: 1)
    expectClose(y, [1, 14])
    let dy = TestBuffer.bfloat16([1, -1])
    let r = TestBuffer.floats([0.2])
    let dx = try result(
      .headNormInputGradient(width: 2, accumulates: false),
      [dy, x, gain, r, .bfloat16([0, 0])], slot: 4, items: 1)
    expectClose(dx, [1.2578125, -0.1796875])
    let dgain = try result(
      .headNormGainGradient(width: 2, rows: 1, accumulates: false), [dy, x, r, .unset(2)],
      slot: 3, items: 2)
    expectClose(dgain, [0.2, -1.4])
  }

  @Test func rotary() throws {
    // Position 1 turns by a right angle: (a, b) → (−b, a); the gradient turns back.
    let cosine = TestBuffer.floats([1, 0])
    let sine = TestBuffer.floats([0, 1])
    let forward = try result(
      .rotary(heads: 1, headWidth: 2, tokens: 2, inputStride: 2, outputStride: 2, direction: 1),
      [x, cosine, sine, .unset(4), nil], slot: 3,
      items: 2)
    expectClose(forward, [1, 2, -4, 3])
    let back = try result(
      .rotary(heads: 1, headWidth: 2, tokens: 1, inputStride: 2, outputStride: 2, direction: -1),
      [x, cosine, sine, .unset(4), .int32([1])], slot: 3, items: 2)
    expectClose(back, [2, -1, 4, -3])
  }

  /// Windows of two tokens, one head of width 1.
  private let oneHead = AttentionSizes(
    tokens: 2, heads: 1, keyValueHeads: 1, headWidth: 1, strides: (1, 1, 1, 1), tile: 2)

  @Test func attention() throws {
    // Scores of token 1: ln 3·(1·0, 1·1), so it looks at (1/4, 3/4) of the values 10 and 20.
    let k = TestBuffer.floats([0, 1])
    let buffers: [TestBuffer?] = [
      .floats([1, 1]), k, .floats([10, 20]), .int32([0, 0]), .unset(2), .unset(2),
    ]
    let call = oneHead.forward(scale: 1.0986123)
    let o = try result(
      call, buffers, slot: 4, items: 1, scratchFloats: 4)
    expectClose(o, [10, 17.5], within: 1e-5)
    let lse = try result(
      call, buffers, slot: 5, items: 1, scratchFloats: 4)
    expectClose(lse, [0, 1.3862944])
    var separate = buffers  // token 1 begins a document of its own
    separate[3] = .int32([0, 1])
    let alone = try result(
      call, separate, slot: 4, items: 1, scratchFloats: 4)
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
        oneHead.gradient(scale: 1.0986123), buffers, slot: slot, items: 1, scratchFloats: 10)
      expectClose(gradient, values, within: 1e-5)
    }
  }

  @Test func cachedAttention() throws {
    let o = try result(
      .attentionCached(
        rows: 1, heads: 1, keyValueHeads: 1, headWidth: 1, capacity: 3, scale: 1.0986123),
      [.floats([1]), .floats([0, 1, 9]), .floats([10, 20, 99]), .int32([1]), .unset(1)], slot: 4,
      items: 1, scratchFloats: 3)
    expectClose(o, [17.5], within: 1e-5)
    let cache = try result(
      .cacheStore(width: 2, capacity: 3), [x, .floats([0, 0, 0, 0, 0, 0]), .int32([2])], slot: 1,
      items: 2)
    expectClose(cache, [0, 0, 0, 0, 1, 2])
  }

  @Test func activation() throws {
    // σ(ln 3) = 3/4.
    let buffers: [TestBuffer?] = [
      .floats([0, 1.0986123]), .floats([5, 2]), .floats([2, 1]), .unset(2), .unset(2),
    ]
    let s = try result(
      NamedKernel("swiglu"), [buffers[0], buffers[1], .unset(2)], slot: 2, items: 2)
    expectClose(s, [0, 1.6479184])
    // silu' = σ·(1 + g·(1 − σ)) = 1/2 and 3/4·(1 + ln 3/4).
    let dg = try result(NamedKernel("swiglu_gradient"), buffers, slot: 3, items: 2)
    expectClose(dg, [5, 1.9119796])
    let du = try result(NamedKernel("swiglu_gradient"), buffers, slot: 4, items: 2)
    expectClose(du, [0, 0.8239592])
  }

  @Test func geluActivation() throws {
    // √(2/π)·(1 + 0.044715) = 0.83356197, whose tanh is 0.68238395; its square 0.46564786.
    let buffers: [TestBuffer?] = [
      .floats([0, 1]), .floats([5, 2]), .floats([2, 1]), .unset(2), .unset(2),
    ]
    let s = try result(
      NamedKernel("geglu"), [buffers[0], buffers[1], .unset(2)], slot: 2, items: 2)
    expectClose(s, [0, 1.6823840])
    // gelu' = (1 + tanh)/2 + g/2·(1 − tanh²)·√(2/π)·(1 + 0.134145·g²): 1/2 and 1.0829641.
    let dg = try result(NamedKernel("geglu_gradient"), buffers, slot: 3, items: 2)
    expectClose(dg, [5, 2.1659282])
    let du = try result(NamedKernel("geglu_gradient"), buffers, slot: 4, items: 2)
    expectClose(du, [0, 0.8411920])
  }

  @Test func slidingWindow() throws {
    // Three tokens of score 0 each; with a window of two the last sees the values 20 and 60 only.
    let sizes = AttentionSizes(
      tokens: 3, heads: 1, keyValueHeads: 1, headWidth: 1, strides: (1, 1, 1, 1), tile: 3, window: 2
    )
    let (q, v) = (TestBuffer.floats([0, 0, 0]), TestBuffer.floats([10, 20, 60]))
    let o = try result(
      sizes.forward(scale: 1), [q, q, v, .int32([0, 0, 0]), .unset(3), .unset(3)], slot: 4,
      items: 1, scratchFloats: 9)
    expectClose(o, [10, 15, 40])
    let cached = try result(
      .attentionCached(
        rows: 3, heads: 1, keyValueHeads: 1, headWidth: 1, capacity: 3, scale: 1, window: 2),
      [q, q, v, .int32([0]), .unset(3)], slot: 4, items: 1, scratchFloats: 3)
    expectClose(cached, [10, 15, 40])
  }

  @Test func loss() throws {
    // softmax(0, ln 3) = (1/4, 3/4).
    let buffers: [TestBuffer?] = [
      .floats([0, 1.0986123, 7, 8]), .int32([1, -1]), .unset(2), .floats([2]),
    ]
    let loss = try result(
      .softmaxCrossEntropy(vocabulary: 2, wantsGradient: true), buffers, slot: 2, items: 2)
    expectClose(loss, [0.2876821, 0])
    let gradient = try result(
      .softmaxCrossEntropy(vocabulary: 2, wantsGradient: true), buffers, slot: 0, items: 2)
    expectClose(gradient, [0.5, -0.5, 0, 0])
    let logits = try result(
      .softmaxCrossEntropy(vocabulary: 2, wantsGradient: false), buffers, slot: 0, items: 2)
    expectClose(logits, [0, 1.0986123, 7, 8])
  }

  @Test func columns() throws {
    // Columns 2 and 0 of two rows of three.
    let (ids, y) = (TestBuffer.int32([2, 0]), TestBuffer.floats([1, 2, 3, 4, 5, 6]))
    let scattered = try result(
      .scatterColumns(count: 2, sourceStride: 2, stride: 3), [ids, x, y], slot: 2, items: 2)
    expectClose(scattered, [2, 2, 1, 4, 5, 3])
    let taken: [TestBuffer?] = [ids, y, .unset(4)]
    expectClose(
      try result(.takeColumns(count: 2, stride: 3, resultStride: 2), taken, slot: 2, items: 2),
      [3, 1, 6, 4])
    expectClose(
      try result(.takeColumns(count: 2, stride: 3, resultStride: 2), taken, slot: 1, items: 2),
      [0, 2, 0, 0, 5, 0])
  }

  @Test func elementwise() throws {
    expectClose(
      try result(NamedKernel("add"), [x, x, .unset(4)], slot: 2, items: 4), [2, 4, 6, 8])
    expectClose(try result(NamedKernel("copy"), [x, .unset(4)], slot: 1, items: 4), [1, 2, 3, 4])
    expectClose(try result(.scale(3), [x, .unset(4)], slot: 1, items: 4), [3, 6, 9, 12])
    expectClose(try result(.fill(3), [.unset(2)], slot: 0, items: 2), [3, 3])
  }

  @Test func optimizers() throws {
    // Clip 1/2: g' = 2. m = 0.5·0 + 0.5·2 = 1, v = 0.75·0 + 0.25·4 = 1; with corrections 0.5 and
    // 0.25: m̂ = 2, v̂ = 4, step 0.1·2/2; decay 0.1·0.5·1.
    let hyper = TestBuffer.floats([0.1, 0.5, 0.25, 0.5, 0, 0, 0, 0])
    let buffers: [TestBuffer?] = [.floats([1]), .floats([4]), .floats([0]), .floats([0]), hyper]
    for (slot, expected) in [(0, 0.85), (2, 1.0), (3, 1.0)] {
      let value = try result(
        .adamW(.f32, moments: "f32", elements: 1, betas: (0.5, 0.75), epsilon: 0, weightDecay: 0.5),
        buffers, slot: slot, items: 1)
      expectClose(value, [expected])
    }
    // g' = 0.5·4 + 0.5·1 = 2.5, m = 0.5·2 + 2.5 = 3.5, p = 1 − 0.1·3.5.
    let p = try result(
      .sgd(momentum: 0.5, weightDecay: 0.5), [.floats([1]), .floats([4]), .floats([2]), hyper],
      slot: 0,
      items: 1)
    expectClose(p, [0.65])
  }

  @Test func clipping() throws {
    // 65 elements: 33 parts of two (the last of one), the others empty.
    let ones = TestBuffer.floats(Array(repeating: 2, count: 65))
    let partial = try result(
      .squaredNorm(count: 65), [ones, .doubles(Array(repeating: 9, count: 64))], slot: 1,
      items: 64)
    expectClose(
      partial, Array(repeating: 8, count: 32) + [4] + Array(repeating: 0, count: 31))
    let hyper = TestBuffer.floats([1, 2, 3, 4, 5, 6, 7, 8])
    let norms = TestBuffer.doubles([9, 16])
    for (limit, scale) in [(Float(2.5), 0.5), (10, 1), (0, 1)] {
      let after = try result(
        .clipScale(partials: 2, limit: limit), [norms, hyper], slot: 1, items: 1)
      expectClose(after, [1, 2, 3, scale, 5, 6, 7, 8])
    }
  }

  /// Integers after a step with lr 0.5 along d, and their row's scale.
  private func step(
    _ q: [Int8], scale: Float, along d: [Float], rounding: Int, divides: Bool = true,
    clips: Bool = false, weightDecay: Float = 0, step: Float = 1
  ) throws -> (q: [Double], scale: Double) {
    let call = NamedKernel.integerStep(
      width: q.count, rounding: rounding, divides: divides, clips: clips, weightDecay: weightDecay)
    let hyper = TestBuffer.floats([0.5, 1, 1, 0.25, 0, 0, step, 0])
    let buffers: [TestBuffer?] = [.int8(q), .floats([scale]), .floats(d), hyper]
    return (
      try result(call, buffers, slot: 0, items: 1), try result(call, buffers, slot: 1, items: 1)[0]
    )
  }

  @Test func integersStepInUnitsOfTheirScale() throws {
    // x = q − 0.5·d / 0.25 = [10 − 3.5, −10 + 3.5, 4 + 0.25, 0]
    let d: [Float] = [1.75, -1.75, -0.125, 0]
    let q: [Int8] = [10, -10, 4, 0]
    let nearest = try step(q, scale: 0.25, along: d, rounding: 1)
    #expect(nearest.q == [6, -7, 4, 0] && nearest.scale == 0.25)
    #expect(try step(q, scale: 0.25, along: d, rounding: 2).q == [6, -6, 4, 0])
    // With the clip scale 0.25: x = [10 − 0.875, −10 + 0.875, 4.0625, 0].
    #expect(try step(q, scale: 0.25, along: d, rounding: 1, clips: true).q == [9, -9, 4, 0])
    // Along the gradient by q: x = q − 0.5·d·4 = [6.5, −6.5, 4.25, 0].
    #expect(try step(q, scale: 4, along: d, rounding: 2, divides: false).q == [6, -6, 4, 0])
    // Decay by 1 − 0.5·0.5: x = [7.5, −7.5, 3, 0].
    let decayed = try step(
      q, scale: 1, along: [0, 0, 0, 0], rounding: 2, weightDecay: 0.5)
    #expect(decayed.q == [7, -7, 3, 0])
  }

  /// Of a step of 0.4 integers nearest rounding does nothing; the momentum gets the whole of it, so that
  /// with momentum 0.5 it is made up for: m += 0.25·(x − q)·(1 − 1/0.5) / 0.5.
  @Test func undoneStepsGoIntoTheMomentum() throws {
    // x = q − 0.5·d / 0.25 = [10 + 0.375, −3 − 2, 130]; the last is clipped, in one row of few
    // elements, so that the row gets the scale 1.25·130·0.25 / 127 and x = q·101.6 / 130.
    let hyper = TestBuffer.floats([0.5, 1, 1, 0.25, 0, 0, 1, 0])
    func momentum(_ q: [Int8], _ d: [Float]) throws -> [Double] {
      try result(
        .integerStep(width: q.count, rounding: 1, momentum: 0.5),
        [
          .int8(q), .floats([0.25]), .floats(d), hyper,
          .bfloat16(Array(repeating: 1, count: q.count)),
        ], slot: 4, items: 1)
    }
    #expect(try momentum([10, -3], [-0.1875, 1]) == [1 - 0.25 * 0.375 * 2, 1])
    let scaled = try momentum([10, 126], [0, -2])
    let unit = 1.25 * 130 * 0.25 / 127
    // Within bf16, rounded at random. x = [7.815, 101.6].
    for (found, part) in zip(scaled, [10 * 101.6 / 130 - 8, 101.6 - 102]) {
      #expect(abs(found - (1 - 2 * unit * part)) <= 0x1p-7)
    }
  }

  /// The mean over many steps' random numbers is what is not rounded; what does not move stays.
  @Test func integersAreRightOnAverage() throws {
    // x = [0.3, −0.3, 100, −5].
    let draws = 4000
    var sums = [0.0, 0, 0, 0]
    for draw in 0..<draws {
      let found = try step(
        [0, 0, 100, -5], scale: 1, along: [-0.6, 0.6, 0, 0], rounding: 0, step: Float(draw)
      ).q
      for index in sums.indices { sums[index] += found[index] / Double(draws) }
    }
    // A standard deviation is √(0.3·0.7 / 4000) = 0.0072.
    #expect(abs(sums[0] - 0.3) < 0.03 && abs(sums[1] + 0.3) < 0.03, "\(sums)")
    #expect(abs(sums[2] - 100) < 1e-9 && abs(sums[3] + 5) < 1e-9, "\(sums)")
  }

  @Test func aRowThatIsFullGetsANewScale() throws {
    // x = [127 + 10, −60, 0, 1]: one in four is clipped. s' = 1.25·137·0.5 / 127,
    // x' = x·127 / (1.25·137) = [101.6, −44.50, 0, 0.74].
    let grown = try step([127, -60, 0, 1], scale: 0.5, along: [-10, 0, 0, 0], rounding: 1)
    #expect(grown.q == [102, -44, 0, 1])
    expectClose([grown.scale], [1.25 * 137 * 0.5 / 127])
    // One in 1,000 is clipped, one in 999 is not.
    for (width, grows) in [(1000, false), (999, true)] {
      var (q, d) = ([Int8](repeating: 1, count: width), [Float](repeating: 0, count: width))
      (q[3], d[3]) = (127, -10)
      let found = try step(q, scale: 0.5, along: d, rounding: 1)
      #expect((found.scale > 0.5) == grows && found.q[3] == (grows ? 102 : 127), "\(width)")
    }
    // Too large for 127, but rounded to it.
    let full = try step([127, 0], scale: 1, along: [-0.8, 0], rounding: 1)
    #expect(full.q == [127, 0] && full.scale == 1)
  }

  /// A diverged row shows in whatever reads it.
  @Test func aRowThatIsNotFiniteShows() throws {
    for d in [Float.nan, .infinity] {
      let found = try step([3, 4], scale: 0.5, along: [0, d], rounding: 0)
      #expect(found.q == [3, 4] && found.scale.isNaN)
    }
  }
}
