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

  public init(momentum: Double = 0.9, weightDecay: Double = 0) {
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public func states(of shape: Shape) -> [(name: String, type: TensorType)] {
    [("momentum", TensorType(shape))]
  }

  public func update(of shape: Shape) -> any Operation {
    SGDUpdate(momentum: Float(momentum), weightDecay: Float(weightDecay))
  }
}
