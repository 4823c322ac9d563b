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

  public var category: FailureCategory {
    switch self {
    case .execution(let error): error.category
    case .graph: .bug
    case .adaptation(let error): error.category
    case .emptyPrompt, .promptTooLong: .usage
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
    }
  }
}
