import Tensors

/// Mistakes in what a run or a comparison was asked for, beyond those of a recipe's keys.
public enum RunsError: Failure {
  /// An analysis of tensors that the recipe fixes.
  case nothingToAnalyse(method: String)
  /// A run of a comparison that did not end well: `problem` in words, and of which kind it is.
  case member(label: String, problem: String, category: FailureCategory)

  public var category: FailureCategory {
    switch self {
    case .nothingToAnalyse: .usage
    case .member(_, _, let category): category
    }
  }

  public var description: String {
    switch self {
    case .nothingToAnalyse(let method):
      "analyze measures what \"tensors\": \"auto\" chooses from; the recipe's method is "
        + "'\(method)'; set method.type=sparse and method.tensors=auto"
    case .member(let label, let problem, _): "the run of '\(label)' \(problem)"
    }
  }
}
