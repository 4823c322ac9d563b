import Graphs
import Programs
import Tensors

/// One update of stochastic gradient descent with momentum, in place (PyTorch's form: the gradient
/// is not dampened).
///
/// Operands: parameter, gradient, momentum, hyper [8]. A parameter in int8 has its momentum in
/// bf16, rounded at random, and none where it is 0; its gradient is overwritten.
public struct SGDUpdate: ElementwiseUpdate {
  public var momentum: Float
  public var weightDecay: Float
  /// How a parameter in int8 takes its step; nil for one in f32.
  public var integerStep: IntegerStep?

  public init(momentum: Float, weightDecay: Float, integerStep: IntegerStep? = nil) {
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.integerStep = integerStep
  }

  /// The type of the momentum of a parameter; nil for none.
  public static func stateType(of parameter: TensorType, momentum: Double) -> TensorType? {
    guard parameter.elementType == .int8 else { return TensorType(parameter.shape) }
    return momentum > 0 ? TensorType(parameter.shape, .bf16) : nil
  }

  public var name: String { "sgd" }
  public var mutatedOperands: [Int] {
    guard integerStep != nil else { return [0, 2] }
    return momentum > 0 ? [0, 1, 2] : [0]
  }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    let shape = operands[0].shape
    let parameter = TensorType(shape, integerStep == nil ? .f32 : .int8)
    let state = Self.stateType(of: parameter, momentum: Double(momentum))
    let expected =
      [parameter, TensorType(shape)] + (state.map { [$0] } ?? [])
      + [TensorType([HyperSlot.count])]
    try TypeRule.count(operands, expected.count)
    for (index, type) in expected.enumerated() { try TypeRule.require(operands, index, type) }
    return []
  }

  public func flops(_ operands: [TensorType]) -> Int { 6 * operands[0].shape.count }

  public func lower(
    _ elements: Range<Int>, of place: UpdatePlace, into lowering: inout Lowering
  ) {
    let start = elements.lowerBound
    if let integerStep {
      return lower(integerStep, elements, of: place, into: &lowering)
    }
    lowering.emit(
      "sgd",
      [
        place.parameter.advanced(by: start), place.gradient, place.states[0].advanced(by: start),
        place.hyper,
      ], scalars: [momentum, weightDecay], items: elements.count, grain: Grain.elements)
  }

  /// The momentum takes the gradient's place, and the parameter steps along that.
  private func lower(
    _ step: IntegerStep, _ elements: Range<Int>, of place: UpdatePlace,
    into lowering: inout Lowering
  ) {
    guard momentum > 0 else {
      return lowering.emit(step, elements, of: place, weightDecay: weightDecay, clips: true)
    }
    let (start, rows) = (elements.lowerBound, place.rows(elements))
    lowering.emit(
      "sgd_direction_int8",
      [
        place.parameter.advanced(by: start, of: .int8),
        place.parameterScales?.advanced(by: rows.lowerBound), place.gradient,
        place.states[0].advanced(by: start, of: .bf16), place.hyper,
      ], sizes: [lowering.node.id + start, place.columns], scalars: [momentum, weightDecay],
      items: rows.count, grain: Grain.rows(of: place.columns))
    lowering.emit(
      step, elements, of: place, weightDecay: 0, clips: false,
      momentum: (momentum, place.states[0].advanced(by: start, of: .bf16)))
  }
}
