import CKernels
import Programs

/// Where the document of each token begins, for windows of `tokens`: documents of random lengths.
private func randomStarts(
  windows: Int, tokens: Int, documents: Bool, _ numbers: inout TestNumbers
) -> TestBuffer {
  var starts: [Int32] = []
  for _ in 0..<windows {
    var start: Int32 = 0
    for t in 0..<tokens {
      if documents && numbers.integer(below: 6) == 0 { start = Int32(t) }
      starts.append(start)
    }
  }
  return .int32(starts)
}

/// One attention problem: its shapes, and the buffers that both directions share.
private struct AttentionProblem {
  var windows = 2
  var tokens: Int
  var heads = 4
  var kvHeads = 2
  var width: Int
  var tile: Int
  var documents: Bool
  /// How many tokens each sees at most.
  var window: Int?
  /// In bf16.
  var isBF16 = false

  var strides: [Int] {
    [heads * width + 3, kvHeads * width + 1, kvHeads * width + 2, heads * width + 4]
  }
  var sizes: AttentionSizes {
    AttentionSizes(
      tokens: tokens, heads: heads, keyValueHeads: kvHeads, headWidth: width,
      strides: (strides[0], strides[1], strides[2], strides[3]), tile: tile, window: window)
  }
  var label: String {
    "T \(tokens) heads \(heads)/\(kvHeads) width \(width) tile \(tile) documents \(documents)"
      + (window.map { " window \($0)" } ?? "")
  }

  func inputs(_ numbers: inout TestNumbers) -> [TestBuffer] {
    let rows = windows * tokens
    return strides[..<3].map { values(rows * $0, &numbers) }
      + [randomStarts(windows: windows, tokens: tokens, documents: documents, &numbers)]
  }

  private func values(_ count: Int, _ numbers: inout TestNumbers) -> TestBuffer {
    isBF16 ? .bfloat16(numbers.floats(count)) : .floats(numbers.floats(count))
  }

  private func unset(_ count: Int) -> TestBuffer {
    isBF16 ? .bfloat16(Array(repeating: .nan, count: count)) : .unset(count)
  }

  /// Floats of scratch as sft_kernels.def counts them.
  private var scratch: (forward: Int, gradient: Int) {
    guard isBF16 else { return (tile * tokens, 2 * tile * tokens + tile) }
    func padded(_ count: Int) -> Int { (count + 31) / 32 * 32 }
    let (t, w) = (padded(tokens), padded(width))
    let gradient = 14 * t * w + 2 * (tile + padded(tile)) * w + 12 * tile * t + 2 * padded(tile) * t
    return ((4 * t * w + 2 * tile * w + 6 * tile * t + 320) / 4, (gradient + 768) / 4)
  }

  func forward(_ inputs: [TestBuffer], wantsLogSum: Bool) -> KernelCase {
    let rows = windows * tokens
    return KernelCase(
      sizes.forward(scale: 0.7, isBF16: isBF16), label: "\(label) lse \(wantsLogSum)",
      buffers: inputs + [unset(rows * strides[3]), wantsLogSum ? .unset(rows * heads) : nil],
      items: windows * heads, scratchFloats: scratch.forward,
      // Observed 8.1e-7, with probabilities and results in bf16 2.6e-3.
      tolerance: isBF16 ? 0.012 : 2e-6)
  }

  /// The gradients named in `wanted` (of "q", "k", "v"), from a forward run of the reference.
  func gradient(_ inputs: [TestBuffer], _ wanted: String, _ numbers: inout TestNumbers)
    -> KernelCase
  {
    let rows = windows * tokens
    guard
      let reference = kernelTable(SFT_ISA_REFERENCE).first(where: {
        $0.name == sizes.forward(scale: 0.7, isBF16: isBF16).name
      })
    else { preconditionFailure("no kernel attention") }
    let after = forward(inputs, wantsLogSum: true).run(reference.function, .reference)
    let outputs = zip("qkv", strides).map { name, stride -> TestBuffer? in
      wanted.contains(name) ? unset(rows * stride) : nil
    }
    return KernelCase(
      sizes.gradient(scale: 0.7, isBF16: isBF16), label: "\(label) wanted '\(wanted)'",
      buffers: inputs + [after[4], after[5], values(rows * strides[3], &numbers)] + outputs,
      items: windows * kvHeads,
      scratchFloats: scratch.gradient,
      // Observed 1.7e-6, with probabilities and results in bf16 5.2e-3.
      tolerance: isBF16 ? 0.03 : 5e-6)
  }
}

func attentionCases() -> [KernelCase] { attentionCases(isBF16: false, seed: 11) }
func bf16AttentionCases() -> [KernelCase] { attentionCases(isBF16: true, seed: 13) }

private func attentionCases(isBF16: Bool, seed: UInt64) -> [KernelCase] {
  var numbers = TestNumbers(seed: seed)
  var problems = [1, 7, 8, 9, 15, 16, 17, 63, 64, 65].map { tokens in
    AttentionProblem(tokens: tokens, width: 8, tile: 16, documents: tokens % 2 == 1)
  }
  problems += [1, 7, 9, 17, 64, 65].map { width in
    AttentionProblem(tokens: 19, width: width, tile: 5, documents: true)
  }
  problems += [(1, 1), (3, 3), (6, 2), (9, 3), (4, 1)].map { heads, kvHeads in
    AttentionProblem(
      tokens: 20, heads: heads, kvHeads: kvHeads, width: 6, tile: 32, documents: false)
  }
  problems += [
    AttentionProblem(tokens: 0, width: 8, tile: 16, documents: false),
    AttentionProblem(tokens: 21, width: 8, tile: 1, documents: true),
    AttentionProblem(windows: 1, tokens: 260, heads: 2, width: 16, tile: 64, documents: true),
  ]
  problems += [(19, 1), (19, 5), (19, 40), (65, 16), (65, 17), (260, 33)].flatMap {
    tokens, window in
    [false, true].map { documents in
      AttentionProblem(
        windows: tokens > 200 ? 1 : 2, tokens: tokens, heads: tokens > 200 ? 2 : 4, width: 8,
        tile: 16, documents: documents, window: window)
    }
  }
  return problems.flatMap { problem -> [KernelCase] in
    var problem = problem
    problem.isBF16 = isBF16
    let inputs = problem.inputs(&numbers)
    var wanted = ["qkv"]
    if problem.tokens == 19 { wanted += ["q", "k", "v", "qk", "qv", "kv", ""] }
    return [true, false].map { problem.forward(inputs, wantsLogSum: $0) }
      + wanted.map { problem.gradient(inputs, $0, &numbers) }
  }
}

func cachedAttentionCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 12)
  var cases: [KernelCase] = []
  let problems: [(capacity: Int, width: Int, position: Int, rows: Int, window: Int?)] =
    testWidths.dropFirst().map { (capacity: 12, width: $0, position: 4, rows: 3, window: nil) }
    + [1, 7, 16, 65, 1000].map {
      (capacity: $0, width: 8, position: $0 - 1, rows: 1, window: nil)
    } + [(5, 8, 0, 5, nil), (9, 8, 7, 4, nil)]
    + [1, 2, 5, 60, 100].map { (capacity: 65, width: 8, position: 58, rows: 6, window: $0) }
  for problem in problems {
    let (capacity, width, position, rows, window) = problem
    let cacheCount = capacity * 2 * width
    cases.append(
      KernelCase(
        .attentionCached(
          rows: rows, heads: 4, keyValueHeads: 2, headWidth: width, capacity: capacity, scale: 0.7,
          window: window),
        label: "\(problem)",
        buffers: [
          .floats(numbers.floats(rows * 4 * width)), .floats(numbers.floats(cacheCount)),
          .floats(numbers.floats(cacheCount)), .int32([Int32(position)]),
          .unset(rows * 4 * width),
        ], items: 4,
        scratchFloats: capacity, tolerance: 3e-6))  // observed 9.7e-7
    cases.append(
      KernelCase(
        .cacheStore(width: 2 * width, capacity: capacity), label: "\(problem)",
        buffers: [
          .floats(numbers.floats(rows * 2 * width)), .floats(numbers.floats(cacheCount)),
          .int32([Int32(position)]),
        ], items: rows, tolerance: 0))
  }
  return cases
}
