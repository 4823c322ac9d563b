import Graphs
import Programs
import Tensors

/// Root-mean-square normalisation over the last axis (Zhang & Sennrich 2019, eq. 4).
///
///     r = 1 / sqrt(mean(x²) + ε)        y = gain · x · r
///
/// Operands: x [N, D], gain [D]. Results: y [N, D], r [N] (kept for the pullback).
/// Pullback: dx = r·(gain·dy) − x·r³·mean(gain·dy·x);  dgain = Σ rows of dy·x·r.
public struct RMSNorm: DifferentiableOperation, LowerableOperation {
  public var epsilon: Float
  public var resultType = ElementType.f32

  public init(epsilon: Float) { self.epsilon = epsilon }

  public var name: String { "rmsnorm" }
  public var isCheap: Bool { true }
  public var inPlacePairs: [(operand: Int, result: Int)] { [(0, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    try TypeRule.matrix(operands, 0)
    try TypeRule.require(operands, 1, TensorType([operands[0].shape[1]]))
    return [TensorType(operands[0].shape, resultType), TensorType([operands[0].shape[0]])]
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    guard let dy = gradients[0] else { return [nil, nil] }
    let (x, gain, r) = (node.operands[0], node.operands[1], node.results[1])
    let dgain =
      wanted[1] ? graph.add(RMSNormGainGradient(), [dy, x, r], phase: .backward)[0] : nil
    let dx =
      wanted[0] ? graph.add(RMSNormInputGradient(), [dy, x, gain, r], phase: .backward)[0] : nil
    return [dx, dgain]
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    lowering.emit(
      resultType == .bf16 ? "rmsnorm_bf16" : "rmsnorm",
      [lowering.operands[0], lowering.operands[1], lowering.results[0], lowering.results[1]],
      sizes: [shape[1]], scalars: [epsilon], items: shape[0])
  }
}

extension RMSNorm: BF16Operation {
  public var bf16Groups: [[NodePlace]] { [[.result(0)]] }
}

/// The gradient of `RMSNorm` towards x (+ initial). Operands: dy, x [N, D], gain [D], r [N],
/// initial [N, D]?. Result: dx [N, D].
public struct RMSNormInputGradient: AccumulatingOperation, LowerableOperation {
  public var accumulates = false

  public init() {}

  public var name: String { "rmsnorm_input_gradient" }
  public var attributes: [(String, String)] { accumulates ? [("accumulate", "yes")] : [] }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(4, 0)] : [(0, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, accumulates ? 5 : 4)
    try TypeRule.matrix(operands, 0)
    try TypeRule.require(operands, 1, operands[0])
    try TypeRule.require(operands, 2, TensorType([operands[0].shape[1]]))
    try TypeRule.require(operands, 3, TensorType([operands[0].shape[0]]))
    if accumulates { try TypeRule.require(operands, 4, operands[0]) }
    return [operands[0]]
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    if accumulates {
      lowering.copyInitial(lowering.operands[4], to: lowering.results[0])
    }
    lowering.emit(
      "rmsnorm_input_gradient", Array(lowering.operands[0..<4]) + [lowering.results[0]],
      sizes: [shape[1], accumulates ? 1 : 0], items: shape[0])
  }
}

/// The gradient of `RMSNorm` towards the gain (+ initial). Operands: dy, x [N, D], r [N],
/// initial [D]?. Result: dgain [D].
public struct RMSNormGainGradient: AccumulatingOperation, LowerableOperation {
  public var accumulates = false

  public init() {}

  public var name: String { "rmsnorm_gain_gradient" }
  public var attributes: [(String, String)] { accumulates ? [("accumulate", "yes")] : [] }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(3, 0)] : [] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, accumulates ? 4 : 3)
    try TypeRule.matrix(operands, 0)
    try TypeRule.require(operands, 1, operands[0])
    let result = TensorType([operands[0].shape[1]])
    if accumulates { try TypeRule.require(operands, 3, result) }
    return [result]
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    if accumulates {
      lowering.copyInitial(lowering.operands[3], to: lowering.results[0])
    }
    lowering.emit(
      "rmsnorm_gain_gradient", Array(lowering.operands[0..<3]) + [lowering.results[0]],
      sizes: [shape[1], shape[0], accumulates ? 1 : 0], items: shape[1], grain: Grain.columns)
  }
}
