import Tensors

/// Invalid requests for a run or a comparison, beyond errors in a recipe's keys.
public enum RunsError: Failure {
  /// An analysis was asked for, but the recipe fixes the tensors.
  case nothingToAnalyse(method: String)
  /// What an earlier run saved as its choice is no method, or none for this model.
  case unknownMethod(String)
  /// An export, read back, does not compute what the model computes.
  case exportDiffers(path: String, ExportCheck)
  /// No C sources come with the program at this path.
  case noSources(program: String)
  /// A target has no such instruction set, or this CPU has not.
  case unknownInstructionSet(String, target: String, known: [String])
  /// A recipe's key that programs without this one can't follow.
  case notCompiled(key: String, advice: String)
  /// Generated texts as long as the model's context.
  case noRoomForPrompts(maxTokens: Int, context: Int)
  /// A guard where no text is held out to tell which snapshot is the best.
  case guardWithoutValidation
  /// No scale of a delta within the guard lowers the loss.
  case noScale
  /// A run of a comparison failed: `problem` in words, and its category.
  case member(label: String, problem: String, category: FailureCategory)

  public var category: FailureCategory {
    switch self {
    case .nothingToAnalyse, .unknownInstructionSet, .notCompiled, .guardWithoutValidation, .noScale,
      .noRoomForPrompts:
      .usage
    case .noSources: .missingInput
    case .unknownMethod: .badData
    case .exportDiffers: .bug
    case .member(_, _, let category): category
    }
  }

  public var description: String {
    switch self {
    case .nothingToAnalyse(let method):
      "analyze measures what \"auto\" chooses from; the recipe's method is "
        + "'\(method)'; set method.type=auto, or method.type=sparse and method.tensors=auto"
    case .unknownMethod(let found):
      "the saved choice '\(found)' is no method for this model"
    case .exportDiffers(let path, let check):
      "'\(path)' was written, but read back it differs from the model: "
        + (["logits by up to \(check.difference) of the largest"]
        + (check.texts[0] == check.texts[1]
          ? [] : ["after one prompt '\(check.texts[1])' instead of '\(check.texts[0])'"])
        + check.tokenizerDifferences).joined(separator: "; ") + "; do not use it"
    case .noSources(let program):
      "there are no C sources near '\(program)'; run the program where 'make' or 'make install' put it"
    case .unknownInstructionSet(let name, let target, let known):
      "--isa '\(name)' is none of \(target)'s instruction sets: \(known.joined(separator: ", "))"
    case .notCompiled(let key, let advice):
      "a compiled run can't follow the recipe's '\(key)'; \(advice)"
    case .noRoomForPrompts(let maxTokens, let context):
      "--max-tokens \(maxTokens) leaves no room for a prompt in the model's context of \(context)"
    case .guardWithoutValidation:
      "guard: needs held-out text, and the training text is one row; name some with data.validation"
    case .noScale:
      "--scale auto: no scale from 0 to 1 lowers the loss of --data within the guard; raise "
        + "--max-loss-increase, or keep the base"
    case .member(let label, let problem, _): "the run of '\(label)' \(problem)"
    }
  }
}
