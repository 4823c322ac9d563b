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
  /// The moments of tensors with fewer elements are f32 whatever the type: they take little memory.
  public var fewestRounded: Int
  /// The type in which trained matrices are stored: f32, or bf16 or int8 with stochastic rounding.
  public var parameterType: ElementType
  /// How matrices in int8 take their steps.
  public var integerStep: IntegerStep

  public init(
    firstBeta: Double = 0.9, secondBeta: Double = 0.95, epsilon: Double = 1e-8,
    weightDecay: Double = 0, stateType: MomentType = .f32, fewestRounded: Int = 0,
    parameterType: ElementType = .f32, integerStep: IntegerStep = IntegerStep()
  ) {
    self.integerStep = integerStep
    self.stateType = stateType
    self.fewestRounded = fewestRounded
    self.parameterType = parameterType
    self.firstBeta = firstBeta
    self.secondBeta = secondBeta
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  /// The end of the names of states that hold scales, which f32 and bf16 moments don't have.
  static let scalesSuffix = "_moment.scales"

  public func states(of type: TensorType) -> [(name: String, type: TensorType)] {
    let types = stateType(of: type.shape).types(of: type.shape)
    let names = ["first", "second"]
    let scales = types.scales.map { type in names.map { ($0 + Self.scalesSuffix, type) } } ?? []
    return Array(zip(names.map { $0 + "_moment" }, [types.first, types.second])) + scales
  }

  private func stateType(of shape: Shape) -> MomentType {
    shape.count < fewestRounded ? .f32 : stateType
  }

  public func update(of type: TensorType) -> any Operation {
    AdamWUpdate(
      betas: (Float(firstBeta), Float(secondBeta)), epsilon: Float(epsilon),
      weightDecay: Float(weightDecay), stateType: stateType(of: type.shape),
      integerStep: type.elementType == .int8 ? integerStep : nil)
  }
}
