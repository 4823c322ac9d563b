import Compilation
import Graphs
import Operations
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Stochastic gradient descent with momentum; every setting means what it means in PyTorch.
public struct SGD: UpdateRule, Hashable {
  public var momentum: Double
  public var weightDecay: Double
  /// The type in which trained matrices are stored: f32, or int8 with stochastic rounding.
  public var parameterType: ElementType
  /// How matrices in int8 take their steps.
  public var integerStep: IntegerStep

  public init(
    momentum: Double = 0.9, weightDecay: Double = 0, parameterType: ElementType = .f32,
    integerStep: IntegerStep = IntegerStep()
  ) {
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.parameterType = parameterType
    self.integerStep = integerStep
  }

  public func states(of type: TensorType) -> [(name: String, type: TensorType)] {
    SGDUpdate.stateType(of: type, momentum: momentum).map { [("momentum", $0)] } ?? []
  }

  public func update(of type: TensorType) -> any Operation {
    SGDUpdate(
      momentum: Float(momentum), weightDecay: Float(weightDecay),
      integerStep: type.elementType == .int8 ? integerStep : nil)
  }
}
