import Compilation
import Graphs
import Operations
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// AdamW (Loshchilov & Hutter 2019); every setting means what it means in PyTorch.
public struct AdamW: UpdateRule, Hashable {
  public var firstBeta: Double
  public var secondBeta: Double
  public var epsilon: Double
  public var weightDecay: Double
  /// The type in which the moments are stored.
  public var stateType: MomentType
  /// The type in which trained matrices are stored: f32, or bf16 with stochastic rounding.
  public var parameterType: ElementType

  public init(
    firstBeta: Double = 0.9, secondBeta: Double = 0.95, epsilon: Double = 1e-8,
    weightDecay: Double = 0, stateType: MomentType = .f32, parameterType: ElementType = .f32
  ) {
    self.stateType = stateType
    self.parameterType = parameterType
    self.firstBeta = firstBeta
    self.secondBeta = secondBeta
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public func states(of shape: Shape) -> [(name: String, type: TensorType)] {
    let types = stateType.types(of: shape)
    let names = ["first_moment", "second_moment"]
    let scales = types.scales.map { type in names.map { ($0 + ".scales", type) } } ?? []
    return Array(zip(names, [types.first, types.second])) + scales
  }

  public var update: any Operation {
    AdamWUpdate(
      betas: (Float(firstBeta), Float(secondBeta)), epsilon: Float(epsilon),
      weightDecay: Float(weightDecay), stateType: stateType)
  }
}
