import Tensors

/// Errors of chat templates, and of chats that they can't write.
public enum ChatError: Failure, Hashable {
  /// A name that no template has.
  case unknownTemplate(name: String, known: [String])
  /// A model whose own template is of no known shape; `reason` is what was found.
  case unrecognised(reason: String, known: [String])
  /// Chats, and a model without a template of its own.
  case noTemplate(known: [String])
  /// Chats, and templates turned off.
  case turnedOff
  /// A template of control tokens that the tokenizer does not have.
  case missingTokens(template: String, tokens: [String])
  /// A template's file that does not say what it should.
  case invalid(template: String, problem: String)
  /// A chat that the template can't write.
  case chat(template: String, problem: String)

  public var category: FailureCategory {
    switch self {
    case .unknownTemplate, .noTemplate, .turnedOff, .missingTokens: .usage
    case .unrecognised, .invalid, .chat: .badData
    }
  }

  public var description: String {
    switch self {
    case .unknownTemplate(let name, let known):
      "found the chat template '\(name)', expected \(Self.list(known)), or \"none\""
    case .unrecognised(let reason, let known):
      "the model's own chat template is of no known shape (\(reason)); known are \(Self.list(known)): "
        + "if one of them fits, name it as data.chat_template, or --chat-template"
    case .noTemplate(let known):
      "the model carries no chat template; name one of \(Self.list(known)) as data.chat_template, or "
        + "--chat-template"
    case .turnedOff: "chats need a chat template, but data.chat_template is \"none\""
    case .missingTokens(let template, let tokens):
      "the chat template '\(template)' needs the control tokens \(Self.list(tokens)), which the "
        + "model's tokenizer does not have; choose another template"
    case .invalid(let template, let problem): "chat template '\(template)': \(problem)"
    case .chat(let template, let problem): "\(problem) (chat template '\(template)')"
    }
  }

  private static func list(_ names: [String]) -> String { names.joined(separator: ", ") }
}
