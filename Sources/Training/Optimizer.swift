import Compilation
import Graphs
import Operations
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

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

  /// The type in which trained matrices are stored.
  var parameterType: ElementType {
    get { rule.parameterType }
    set {
      switch self {
      case .adamW(var rule):
        rule.parameterType = newValue
        self = .adamW(rule)
      case .sgd(var rule):
        rule.parameterType = newValue
        self = .sgd(rule)
      }
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
