import Adaptations
import Execution
import Graphs
import Tensors

/// Why text can't be generated.
public enum GenerationError: Failure {
  case execution(ExecutionError)
  case graph(GraphError)
  case adaptation(AdaptationError)
  case emptyPrompt
  case promptTooLong(tokens: Int, context: Int)
  /// Logits that are not finite; the first weight that is not, as `ModelWeights.brokenWeight` names
  /// it, or nil if all are.
  case brokenModel(weight: String?)

  public var category: FailureCategory {
    switch self {
    case .execution(let error): error.category
    case .graph: .bug
    case .adaptation(let error): error.category
    case .emptyPrompt, .promptTooLong: .usage
    case .brokenModel: .badData
    }
  }

  public var description: String {
    switch self {
    case .execution(let error): error.description
    case .graph(let error): "the compiler made a broken graph, which is a bug: \(error)"
    case .adaptation(let error): error.description
    case .emptyPrompt:
      "the prompt has no tokens, and this tokenizer has no beginning-of-sequence token to start from"
    case .promptTooLong(let tokens, let context):
      "the prompt has \(tokens) tokens, but the model's context holds \(context); shorten it"
    case .brokenModel(let weight):
      "computing the next token: found logits that are not finite: "
        + (weight ?? "the weights are finite, but what they compute is not")
        + "; import the model again, from a source whose weights are finite"
    }
  }
}
