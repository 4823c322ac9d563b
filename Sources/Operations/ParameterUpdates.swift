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
/// Operands: parameter, f32 or bf16, its gradient, first and second moment (all of one shape), the
/// moments' scales if they are bytes, hyper [8].
public struct AdamWUpdate: ElementwiseUpdate {
  public var betas: (Float, Float)
  public var epsilon: Float
  public var weightDecay: Float
  /// How the moments are kept: f32, or bf16 or bytes rounded at random.
  public var stateType: ElementType

  public init(
    betas: (Float, Float), epsilon: Float, weightDecay: Float, stateType: ElementType = .f32
  ) {
    self.stateType = stateType
    self.betas = betas
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  /// Elements of moments in bytes that share a scale.
  private static let block = 256

  private static func blocks(_ count: Int) -> Int { (count + block - 1) / block }

  /// The type of both moments of a parameter, and that of their scales if they are bytes.
  public static func stateTypes(
    of shape: Shape, as type: ElementType
  ) -> (moments: TensorType, scales: TensorType?) {
    (TensorType(shape, type), type == .int8 ? TensorType([blocks(shape.count)]) : nil)
  }

  public var name: String { "adamw" }
  public var mutatedOperands: [Int] { stateType == .int8 ? [0, 2, 3, 4, 5] : [0, 2, 3] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    let shape = operands[0].shape
    let state = Self.stateTypes(of: shape, as: stateType)
    let states = [state.moments, state.moments] + (state.scales.map { [$0, $0] } ?? [])
    try TypeRule.count(operands, 3 + states.count)
    guard [.f32, .bf16].contains(operands[0].elementType) else {
      throw .operandType(index: 0, found: operands[0], expected: "f32 or bf16")
    }
    try TypeRule.require(operands, 1, TensorType(shape))
    for (index, type) in states.enumerated() { try TypeRule.require(operands, 2 + index, type) }
    try TypeRule.require(operands, 2 + states.count, TensorType([HyperSlot.count]))
    return []
  }

  public func flops(_ operands: [TensorType]) -> Int { 14 * operands[0].shape.count }

  public func lower(
    _ elements: Range<Int>, of place: UpdatePlace, into lowering: inout Lowering
  ) {
    let inBlocks = stateType == .int8
    let block = elements.lowerBound / Self.block
    let moments = place.states[..<2].map { $0.advanced(by: elements.lowerBound, of: stateType) }
    let scales = place.states[2...].map { $0.advanced(by: block) }
    lowering.emit(
      "adamw_\(place.parameterType)_\(stateType)",
      [place.parameter.advanced(by: elements.lowerBound, of: place.parameterType), place.gradient]
        + moments + [place.hyper] + scales,
      // Nothing is to round like something else of its size: the node's number and the first element
      // tell calls apart.
      sizes: [lowering.node.id + elements.lowerBound, elements.count],
      scalars: [betas.0, betas.1, epsilon, weightDecay],
      items: inBlocks ? Self.blocks(elements.count) : elements.count,
      grain: inBlocks ? Grain.elements / Self.block : Grain.elements)
  }
}

/// One update of stochastic gradient descent with momentum, in place (PyTorch's form: the gradient
/// is not dampened). Operands: parameter, gradient, momentum, hyper [8].
public struct SGDUpdate: ElementwiseUpdate {
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

  public func lower(
    _ elements: Range<Int>, of place: UpdatePlace, into lowering: inout Lowering
  ) {
    let start = elements.lowerBound
    lowering.emit(
      "sgd",
      [
        place.parameter.advanced(by: start), place.gradient, place.states[0].advanced(by: start),
        place.hyper,
      ], scalars: [momentum, weightDecay], items: elements.count, grain: Grain.elements)
  }
}
