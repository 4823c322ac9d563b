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

  public var update: any Operation {
    SGDUpdate(momentum: Float(momentum), weightDecay: Float(weightDecay))
  }
}

/// An optimizer of a run.
public enum Optimizer: Hashable, Sendable {
  case adamW(AdamW)
  case sgd(SGD)

  /// The type in which moments are stored; f32 for other rules.
  var stateType: MomentType {
    get { if case .adamW(let rule) = self { rule.stateType } else { .f32 } }
    set {
      guard case .adamW(var rule) = self else { return }
      rule.stateType = newValue
      self = .adamW(rule)
    }
  }

  /// The type in which trained matrices are stored; f32 for other rules.
  var parameterType: ElementType {
    get { rule.parameterType }
    set {
      guard case .adamW(var rule) = self else { return }
      rule.parameterType = newValue
      self = .adamW(rule)
    }
  }

  var rule: any UpdateRule {
    switch self {
    case .adamW(let rule): rule
    case .sgd(let rule): rule
    }
  }

  /// Bias corrections 1 − β₁ᵗ and 1 − β₂ᵗ at step t, counted from 1; (1, 1) for other rules.
  package func corrections(step: Int) -> (first: Double, second: Double) {
    switch self {
    case .adamW(let rule):
      (1 - pow(rule.firstBeta, Double(step)), 1 - pow(rule.secondBeta, Double(step)))
    case .sgd: (1, 1)
    }
  }
}
