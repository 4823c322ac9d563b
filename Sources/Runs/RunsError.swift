import Tensors

/// Invalid requests for a run or a comparison, beyond errors in a recipe's keys.
public enum RunsError: Failure {
  /// An analysis was asked for, but the recipe fixes the tensors.
  case nothingToAnalyse(method: String)
  /// An export, read back, does not compute what the model computes.
  case exportDiffers(path: String, ExportCheck)
  /// A run of a comparison failed: `problem` in words, and its category.
  case member(label: String, problem: String, category: FailureCategory)

  public var category: FailureCategory {
    switch self {
    case .nothingToAnalyse: .usage
    case .exportDiffers: .bug
    case .member(_, _, let category): category
    }
  }

  public var description: String {
    switch self {
    case .nothingToAnalyse(let method):
      "analyze measures what \"tensors\": \"auto\" chooses from; the recipe's method is "
        + "'\(method)'; set method.type=sparse and method.tensors=auto"
    case .exportDiffers(let path, let check):
      "'\(path)' was written, but read back it differs from the model: "
        + (["logits by up to \(check.difference) of the largest"]
        + (check.texts[0] == check.texts[1]
          ? [] : ["after one prompt '\(check.texts[1])' instead of '\(check.texts[0])'"])
        + check.tokenizerDifferences).joined(separator: "; ") + "; do not use it"
    case .member(let label, let problem, _): "the run of '\(label)' \(problem)"
    }
  }
}
