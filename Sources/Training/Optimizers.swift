import Compilation
import Graphs
import Operations
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// AdamW (Loshchilov & Hutter 2019), with PyTorch's meaning of every setting.
public struct AdamW: UpdateRule, Hashable {
  public var firstBeta: Double
  public var secondBeta: Double
  public var epsilon: Double
  public var weightDecay: Double
  /// How the moments are kept: f32, or bf16 rounded at random.
  public var stateType: ElementType

  public init(
    firstBeta: Double = 0.9, secondBeta: Double = 0.95, epsilon: Double = 1e-8,
    weightDecay: Double = 0, stateType: ElementType = .f32
  ) {
    self.stateType = stateType
    self.firstBeta = firstBeta
    self.secondBeta = secondBeta
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var stateNames: [String] { ["first_moment", "second_moment"] }

  public var update: any Operation {
    AdamWUpdate(
      betas: (Float(firstBeta), Float(secondBeta)), epsilon: Float(epsilon),
      weightDecay: Float(weightDecay), stateType: stateType)
  }
}

/// Stochastic gradient descent with momentum, with PyTorch's meaning of every setting.
public struct SGD: UpdateRule, Hashable {
  public var momentum: Double
  public var weightDecay: Double

  public init(momentum: Double = 0.9, weightDecay: Double = 0) {
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public var stateNames: [String] { ["momentum"] }

  public var update: any Operation {
    SGDUpdate(momentum: Float(momentum), weightDecay: Float(weightDecay))
  }
}

/// An optimizer of a run.
public enum Optimizer: Hashable, Sendable {
  case adamW(AdamW)
  case sgd(SGD)

  /// Whether state is kept in less than f32.
  var keepsNarrowState: Bool { rule.stateType != .f32 }

  /// The same optimizer with its state in f32.
  var withWideState: Optimizer {
    guard case .adamW(var rule) = self else { return self }
    rule.stateType = .f32
    return .adamW(rule)
  }

  var rule: any UpdateRule {
    switch self {
    case .adamW(let rule): rule
    case .sgd(let rule): rule
    }
  }

  /// 1 − β₁ᵗ and 1 − β₂ᵗ at step t, from 1; ones where there is nothing to correct.
  package func corrections(step: Int) -> (first: Double, second: Double) {
    switch self {
    case .adamW(let rule):
      (1 - pow(rule.firstBeta, Double(step)), 1 - pow(rule.secondBeta, Double(step)))
    case .sgd: (1, 1)
    }
  }
}
