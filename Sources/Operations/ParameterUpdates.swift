import Graphs
import Programs
import Tensors

/// Slots of the f32 [8] input "hyper" that update operations read and clipping writes.
public enum HyperSlot {
  public static let learningRate = 0
  /// 1 − β₁ᵗ and 1 − β₂ᵗ: AdamW's bias corrections at step t.
  public static let firstCorrection = 1
  public static let secondCorrection = 2
  public static let clipScale = 3
  public static let gradientNorm = 4
  /// The number of the step, for rounding at random.
  public static let step = 6
  public static let count = 8
}

/// One AdamW update in place (Loshchilov & Hutter 2019, algorithm 2, as PyTorch orders it).
///
/// Operands: parameter, gradient, first and second moment (all of one shape), hyper [8].
public struct AdamWUpdate: LowerableOperation {
  public var betas: (Float, Float)
  public var epsilon: Float
  public var weightDecay: Float
  /// How the moments are kept: f32, or bf16 rounded at random.
  public var stateType: ElementType

  public init(
    betas: (Float, Float), epsilon: Float, weightDecay: Float, stateType: ElementType = .f32
  ) {
    self.stateType = stateType
    self.betas = betas
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var name: String { "adamw" }
  public var mutatedOperands: [Int] { [0, 2, 3] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 5)
    try TypeRule.require(operands, 1, operands[0])
    let state = TensorType(operands[0].shape, stateType)
    for index in 2...3 { try TypeRule.require(operands, index, state) }
    try TypeRule.require(operands, 4, TensorType([HyperSlot.count]))
    return []
  }

  public func flops(_ operands: [TensorType]) -> Int { 14 * operands[0].shape.count }

  public func lower(into lowering: inout Lowering) {
    let isNarrow = stateType == .bf16
    lowering.emit(
      isNarrow ? "adamw_bf16" : "adamw", lowering.operands,
      // Parameters of one size are not to round alike: the node's number tells them apart.
      sizes: isNarrow ? [lowering.node.id] : [],
      scalars: [betas.0, betas.1, epsilon, weightDecay],
      items: lowering.operandTypes[0].shape.count, grain: Grain.elements)
  }
}

/// One update of stochastic gradient descent with momentum, in place (PyTorch's form: the gradient
/// is not dampened). Operands: parameter, gradient, momentum, hyper [8].
public struct SGDUpdate: LowerableOperation {
  public var momentum: Float
  public var weightDecay: Float

  public init(momentum: Float, weightDecay: Float) {
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public var name: String { "sgd" }
  public var mutatedOperands: [Int] { [0, 2] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 4)
    for index in 1...2 { try TypeRule.require(operands, index, operands[0]) }
    try TypeRule.require(operands, 3, TensorType([HyperSlot.count]))
    return []
  }

  public func flops(_ operands: [TensorType]) -> Int { 6 * operands[0].shape.count }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "sgd", lowering.operands, scalars: [momentum, weightDecay],
      items: lowering.operandTypes[0].shape.count, grain: Grain.elements)
  }
}
