import Chats

/// What a row of a JSON Lines file holds. In the order of the cases: a row with the keys of several
/// shapes is of the first of them.
public enum RowShape: CaseIterable, Sendable {
  case chat, pair, instruction, text

  /// The keys of a row, for messages.
  var keys: String {
    switch self {
    case .chat: #"{"messages"}"#
    case .pair: #"{"prompt", "completion"}"#
    case .instruction: #"{"instruction", "input", "output"}"#
    case .text: #"{"text"}"#
    }
  }
}

/// A row of a JSON Lines file.
public enum TextRow: Hashable, Sendable {
  /// Messages, the first of them perhaps the system's.
  case chat([ChatMessage])
  case pair(prompt: String, completion: String)
  /// A task, what it is about (empty where there is nothing more to say), and the answer.
  case instruction(String, input: String, output: String)
  /// A document.
  case text(String)

  public var shape: RowShape {
    switch self {
    case .chat: .chat
    case .pair: .pair
    case .instruction: .instruction
    case .text: .text
    }
  }
}
