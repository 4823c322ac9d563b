import Graphs
import Programs
import Tensors

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
