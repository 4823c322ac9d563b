import Graphs
import Programs
import Tensors

/// Root-mean-square normalisation over the last axis (Zhang & Sennrich 2019, eq. 4), or over each
/// head in it (query/key normalisation; Henry et al. 2020).
///
///     r = 1 / sqrt(mean(x²) + ε)        y = gain · x · r
///
/// Operands: x [N, heads·D], gain [D]. Results: y [N, heads·D], r [N·heads] (kept for the
/// pullback). One head unless `isPerHead`: x is then [N·heads, D] to the kernels, row by row.
/// Pullback: dx = r·(gain·dy) − x·r³·mean(gain·dy·x);  dgain = Σ rows of dy·x·r.
public struct RMSNorm: DifferentiableOperation, LowerableOperation {
  public var epsilon: Float
  /// Whether a row holds several heads of the gain's width, each with a mean of its own. What it
  /// reads and gives lies between matmuls and attention and may be bf16, while a whole row is the
  /// residual stream and stays f32.
  public var isPerHead: Bool
  public var resultType = ElementType.f32

  public init(epsilon: Float, isPerHead: Bool = false) {
    self.epsilon = epsilon
    self.isPerHead = isPerHead
  }

  public var name: String { isPerHead ? "head_norm" : "rmsnorm" }
  public var isCheap: Bool { true }
  public var inPlacePairs: [(operand: Int, result: Int)] { [(0, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    try TypeRule.matrix(operands, 0, bf16: isPerHead)
    let heads = try TypeRule.heads(of: operands[0], gain: operands, 1, isPerHead: isPerHead)
    let type = isPerHead ? operands[0].elementType : resultType
    return [TensorType(operands[0].shape, type), TensorType([operands[0].shape[0] * heads])]
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    guard let dy = gradients[0] else { return [nil, nil] }
    let (x, gain, r) = (node.operands[0], node.operands[1], node.results[1])
    let towardsGain = RMSNormGainGradient(
      headWidth: isPerHead ? graph.type(of: gain).shape[0] : nil)
    let towardsInput = RMSNormInputGradient(isPerHead: isPerHead)
    let dgain = wanted[1] ? graph.add(towardsGain, [dy, x, r], phase: .backward)[0] : nil
    let dx = wanted[0] ? graph.add(towardsInput, [dy, x, gain, r], phase: .backward)[0] : nil
    return [dx, dgain]
  }

  public func lower(into lowering: inout Lowering) {
    let kernel =
      isPerHead
      ? lowering.operandTypes[0].elementType == .bf16 ? "head_norm_bf16" : "rmsnorm"
      : resultType == .bf16 ? "rmsnorm_bf16" : "rmsnorm"
    lowering.emit(
      kernel,
      [lowering.operands[0], lowering.operands[1], lowering.results[0], lowering.results[1]],
      sizes: [lowering.operandTypes[1].shape[0]], scalars: [epsilon],
      items: lowering.resultTypes[1].shape[0])
  }
}

extension RMSNorm: BF16Operation {
  public var bf16Groups: [[NodePlace]] { [isPerHead ? [.operand(0), .result(0)] : [.result(0)]] }
}

/// The gradient of `RMSNorm` towards x (+ initial). Operands: dy, x [N, heads·D], gain [D],
/// r [N·heads], initial [N, heads·D]?. Result: dx [N, heads·D].
public struct RMSNormInputGradient: AccumulatingOperation, LowerableOperation {
  public var isPerHead: Bool
  public var accumulates = false

  public init(isPerHead: Bool = false) { self.isPerHead = isPerHead }

  public var name: String { isPerHead ? "head_norm_input_gradient" : "rmsnorm_input_gradient" }
  public var attributes: [(String, String)] { accumulates ? [("accumulate", "yes")] : [] }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(4, 0)] : [(0, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, accumulates ? 5 : 4)
    try TypeRule.matrix(operands, 0, bf16: isPerHead)
    try TypeRule.require(operands, 1, operands[0])
    let heads = try TypeRule.heads(of: operands[0], gain: operands, 2, isPerHead: isPerHead)
    try TypeRule.require(operands, 3, TensorType([operands[0].shape[0] * heads]))
    if accumulates { try TypeRule.require(operands, 4, operands[0]) }
    return [operands[0]]
  }

  public func lower(into lowering: inout Lowering) {
    if accumulates {
      lowering.copyInitial(lowering.operands[4], to: lowering.results[0])
    }
    let isBF16 = lowering.operandTypes[0].elementType == .bf16
    lowering.emit(
      isBF16 ? "head_norm_input_gradient_bf16" : "rmsnorm_input_gradient",
      Array(lowering.operands[0..<4]) + [lowering.results[0]],
      sizes: [lowering.operandTypes[2].shape[0], accumulates ? 1 : 0],
      items: lowering.operandTypes[3].shape[0])
  }
}

extension RMSNormInputGradient: BF16Operation {
  public var bf16Groups: [[NodePlace]] {
    guard isPerHead else { return [] }
    return [[.operand(0), .operand(1), .result(0)] + (accumulates ? [.operand(4)] : [])]
  }
}

/// The gradient of `RMSNorm` towards the gain (+ initial). Operands: dy, x [N, heads·D],
/// r [N·heads], initial [D]?. Result: dgain [D].
public struct RMSNormGainGradient: AccumulatingOperation, LowerableOperation {
  /// D where a row holds several heads of it; nil where it is the whole row.
  public var headWidth: Int?
  public var accumulates = false

  public init(headWidth: Int? = nil) { self.headWidth = headWidth }

  public var name: String { headWidth == nil ? "rmsnorm_gain_gradient" : "head_norm_gain_gradient" }
  public var attributes: [(String, String)] { accumulates ? [("accumulate", "yes")] : [] }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(3, 0)] : [] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, accumulates ? 4 : 3)
    try TypeRule.matrix(operands, 0, bf16: headWidth != nil)
    try TypeRule.require(operands, 1, operands[0])
    let result = TensorType([headWidth ?? operands[0].shape[1]])
    if accumulates { try TypeRule.require(operands, 3, result) }
    return [result]
  }

  public func lower(into lowering: inout Lowering) {
    if accumulates {
      lowering.copyInitial(lowering.operands[3], to: lowering.results[0])
    }
    let (width, rows) = (lowering.resultTypes[0].shape[0], lowering.operandTypes[2].shape[0])
    let isBF16 = lowering.operandTypes[0].elementType == .bf16
    lowering.emit(
      isBF16 ? "head_norm_gain_gradient_bf16" : "rmsnorm_gain_gradient",
      Array(lowering.operands[0..<3]) + [lowering.results[0]],
      sizes: [width, rows, accumulates ? 1 : 0], items: width, grain: Grain.columns)
  }
}

extension RMSNormGainGradient: BF16Operation {
  public var bf16Groups: [[NodePlace]] { headWidth == nil ? [] : [[.operand(0), .operand(1)]] }
}

extension TypeRule {
  /// How many heads of a gain's width a row of x has: one unless norms are per head.
  fileprivate static func heads(
    of x: TensorType, gain operands: [TensorType], _ index: Int, isPerHead: Bool
  ) throws(GraphError) -> Int {
    let columns = x.shape[1]
    guard isPerHead else {
      try require(operands, index, TensorType([columns]))
      return 1
    }
    let width = operands[index].shape.count
    try require(operands, index, TensorType([width]))
    guard columns % width == 0 else {
      throw .operandType(index: index, found: operands[index], expected: "a divisor of \(columns)")
    }
    return columns / width
  }
}
