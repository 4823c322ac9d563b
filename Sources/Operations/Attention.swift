import Graphs
import Programs
import Tensors

// Letters: N = B·T tokens in windows of T, Hq query heads, Hkv key/value heads, hw head width.

/// How attention's heads are laid out, shared by the forward and backward operation.
public struct AttentionLayout: Hashable, Sendable {
  /// T: tokens of a window.
  public var tokens: Int
  public var queryHeads: Int
  public var keyValueHeads: Int
  public var headWidth: Int
  /// What scores are multiplied by.
  public var scale: Float
  /// W: a token sees the last W tokens, itself included; nil where it sees all of its document.
  public var window: Int?

  /// - Parameter scale: 1/√hw (Vaswani et al. 2017, eq. 1) if nil.
  public init(
    tokens: Int, queryHeads: Int, keyValueHeads: Int, headWidth: Int, scale: Float? = nil,
    window: Int? = nil
  ) {
    self.tokens = tokens
    self.queryHeads = queryHeads
    self.keyValueHeads = keyValueHeads
    self.headWidth = headWidth
    self.scale = scale ?? Self.usualScale(headWidth: headWidth)
    self.window = window
  }

  private static func usualScale(headWidth: Int) -> Float { 1 / Float(headWidth).squareRoot() }

  var queryWidth: Int { queryHeads * headWidth }
  var keyValueWidth: Int { keyValueHeads * headWidth }
  /// Query rows whose scores are in scratch at a time.
  var tile: Int { min(tokens, 64) }

  /// Query rows per tile in the bf16 kernels: fewer, since their matmul tiles are small and less
  /// work is wasted on masked scores beside the diagonal.
  var bf16Tile: Int { min(tokens, 32) }

  func sizes(tile: Int) -> [Int] {
    [
      tokens, queryHeads, keyValueHeads, headWidth, queryWidth, keyValueWidth, keyValueWidth,
      queryWidth, tile,
    ] + slidingWindow
  }

  /// A kernel's last size: none where there is no window, so that calls without one stay as they
  /// are.
  var slidingWindow: [Int] { window.map { [$0] } ?? [] }

  /// What of the scores differs from the usual, as graphs are printed.
  var scoreAttributes: [(String, String)] {
    (window.map { [("window", "\($0)")] } ?? [])
      + (scale == Self.usualScale(headWidth: headWidth) ? [] : [("scale", "\(scale)")])
  }

  /// Scratch of the bf16 kernels in bytes, by the formula in sft_kernels.def.
  var bf16Scratch: (forward: Int, gradient: Int) {
    func padded(_ count: Int) -> Int { (count + 31) & ~31 }
    let (t, w, q) = (padded(tokens), padded(headWidth), bf16Tile)
    let gradient = 14 * t * w + 2 * (q + padded(q)) * w + 12 * q * t + 2 * padded(q) * t
    return (4 * t * w + 2 * q * w + 6 * q * t + 320, gradient + 768)
  }

  /// Floating-point operations of one matmul over the pairs that mask and window leave, for N rows.
  func productFlops(rows: Int) -> Int {
    // The sum over all tokens of the keys that each sees, twice.
    let seen = min(window ?? tokens, tokens)
    let pairs = seen * (seen + 1) + 2 * (tokens - seen) * seen
    return rows / max(1, tokens) * queryHeads * headWidth * pairs
  }
}

/// Causal self-attention within documents; scores are never stored (Dao et al. 2022).
///
///     s_tj = q_t·k_j / √hw  for start_t ≤ j ≤ t        o_t = Σ_j softmax(s_t)_j · v_j
///
/// With a sliding window W (Beltagy et al. 2020) also t − j < W. The layout can name another scale.
///
/// Operands: q [N, Hq·hw], k, v [N, Hkv·hw], document starts int32 [N].
/// Results: o [N, Hq·hw], log-sum-exp [N/T, Hq, T] (kept for the pullback).
/// Pullback, with P recomputed: dv = Pᵀ·do, dP = do·vᵀ, ds = P·(dP − rowsum(do·o)),
/// dq = ds·k/√hw, dk = dsᵀ·q/√hw; a key/value head sums over its query heads.
public struct Attention: DifferentiableOperation, LowerableOperation {
  public var layout: AttentionLayout

  public init(layout: AttentionLayout) { self.layout = layout }

  public var name: String { "attention" }
  public var isRecomputable: Bool { true }
  public var attributes: [(String, String)] {
    [
      ("heads", "\(layout.queryHeads)/\(layout.keyValueHeads)"), ("width", "\(layout.headWidth)"),
      ("tokens", "\(layout.tokens)"),
    ] + layout.scoreAttributes
  }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 4)
    try TypeRule.matrix(operands, 0, columns: layout.queryWidth, bf16: true)
    let rows = operands[0].shape[0]
    let type = operands[0].elementType
    try TypeRule.require(operands, 1, TensorType([rows, layout.keyValueWidth], type))
    try TypeRule.require(operands, 2, operands[1])
    try TypeRule.require(operands, 3, TensorType([rows], .int32))
    guard rows % layout.tokens == 0 else {
      throw .operandType(index: 0, found: operands[0], expected: "whole windows")
    }
    return [operands[0], TensorType([rows / layout.tokens, layout.queryHeads, layout.tokens])]
  }

  public func flops(_ operands: [TensorType]) -> Int {
    2 * layout.productFlops(rows: operands[0].shape[0])
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    guard let dOutput = gradients[0] else { return [nil, nil, nil, nil] }
    let operation = AttentionGradient(layout: layout, wanted: Array(wanted[0..<3]))
    let operands = node.operands + node.results + [dOutput]
    var results = graph.add(operation, operands, phase: .backward)[...]
    return (0..<4).map { $0 < 3 && wanted[$0] ? results.popFirst() : nil }
  }

  public func lower(into lowering: inout Lowering) {
    let rows = lowering.operandTypes[0].shape[0]
    let isBF16 = lowering.operandTypes[0].elementType == .bf16
    lowering.emit(
      isBF16 ? "attention_bf16" : "attention", lowering.operands + lowering.results,
      sizes: layout.sizes(tile: isBF16 ? layout.bf16Tile : layout.tile),
      scalars: [layout.scale], multiplies: isBF16 ? .bf16 : .f32,
      items: rows / layout.tokens * layout.queryHeads,
      slices: isBF16 ? 3 : 1,
      scratchBytes: isBF16 ? layout.bf16Scratch.forward : 4 * layout.tile * layout.tokens,
      flops: flops(lowering.operandTypes))
  }
}

/// The gradient of `Attention`. Operands: q, k, v, starts, o, log-sum-exp, do.
/// Results: dq, dk, dv as wanted, in this order.
public struct AttentionGradient: LowerableOperation {
  public var layout: AttentionLayout
  /// Whether dq, dk, dv are wanted.
  public var wanted: [Bool]

  public init(layout: AttentionLayout, wanted: [Bool]) {
    self.layout = layout
    self.wanted = wanted
  }

  public var name: String { "attention_gradient" }
  public var attributes: [(String, String)] {
    [("wanted", zip(["q", "k", "v"], wanted).filter(\.1).map(\.0).joined())]
  }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 7)
    try TypeRule.matrix(operands, 0, columns: layout.queryWidth, bf16: true)
    try TypeRule.require(operands, 4, operands[0])
    try TypeRule.require(operands, 6, operands[0])
    return (0..<3).filter { wanted[$0] }.map { operands[$0] }
  }

  /// Counts the recomputed scores, dP, and each wanted matmul.
  public func flops(_ operands: [TensorType]) -> Int {
    let needsScoreGradient = wanted[0] || wanted[1]
    let products = 1 + (needsScoreGradient ? 1 : 0) + wanted.filter { $0 }.count
    return products * layout.productFlops(rows: operands[0].shape[0])
  }

  public func lower(into lowering: inout Lowering) {
    var results = lowering.results[...]
    let gradients = wanted.map { $0 ? results.popFirst() : nil }
    let rows = lowering.operandTypes[0].shape[0]
    let isBF16 = lowering.operandTypes[0].elementType == .bf16
    lowering.emit(
      isBF16 ? "attention_gradient_bf16" : "attention_gradient", lowering.operands + gradients,
      sizes: layout.sizes(tile: isBF16 ? layout.bf16Tile : layout.tile),
      scalars: [layout.scale], multiplies: isBF16 ? .bf16 : .f32,
      items: rows / layout.tokens * layout.keyValueHeads,
      slices: isBF16 ? 3 : 1,
      scratchBytes: isBF16
        ? layout.bf16Scratch.gradient : 4 * (2 * layout.tile * layout.tokens + layout.tile),
      flops: flops(lowering.operandTypes))
  }
}

extension Attention: BF16Operation {
  public var bf16Groups: [[NodePlace]] {
    [[.operand(0), .operand(1), .operand(2), .result(0)]]
  }
}

extension AttentionGradient: BF16Operation {
  public var bf16Groups: [[NodePlace]] {
    let results = 0..<wanted.count { $0 }
    return [[0, 1, 2, 4, 6].map { .operand($0) } + results.map { .result($0) }]
  }
}
