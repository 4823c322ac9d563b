import Chats
import Checkpoints
import Datasets
import Tensors
import Tokenizers

/// Which chat template a model's chats are written with, and where it comes from.
public struct ChatChoice: Sendable {
  /// The template; nil if there is none, an error if the model's own is not known.
  public let template: Result<ChatTemplate, ChatError>?
  /// Whether it is the model's own, not one that was named.
  public let isOwn: Bool

  /// The name that turns templates off.
  public static let none = "none"
  /// The name of the model's own template, for where no name means none.
  public static let own = "own"

  /// - Parameters:
  ///   - name: a template's name, "none" for no template, "own" or nil for the model's own.
  ///   - tokenizer: the checkpoint's.
  /// - Throws: `ChatError` for an unknown name, or a named template whose tokens the tokenizer lacks.
  public init(
    _ name: String?, of checkpoint: Checkpoint, tokenizer: any Tokenizer
  ) throws(ChatError) {
    isOwn = name == nil || name == Self.own
    if name == Self.none {
      template = nil
    } else if let name, !isOwn {
      let named = try ChatTemplates.named(name)
      try named.check(tokenizer)
      template = .success(named)
    } else {
      template = checkpoint.tokenizerSettings.chatTemplate.map { Self.recognised($0, tokenizer) }
    }
  }

  private static func recognised(
    _ jinja: String, _ tokenizer: any Tokenizer
  ) -> Result<ChatTemplate, ChatError> {
    func spelling(_ id: Int32?) -> String { id.map { tokenizer.piece(of: $0) } ?? "" }
    return Result { () throws(ChatError) in
      let template = try ChatTemplate.recognised(
        jinja, begin: spelling(tokenizer.beginOfSequence), end: spelling(tokenizer.endOfSequence))
      try template.check(tokenizer)
      return template
    }
  }

  /// The template for a chat.
  /// - Throws: `ChatError` if there is none.
  public func forChats() throws(ChatError) -> ChatTemplate {
    guard let template else { throw isOwn ? .noTemplate(known: ChatTemplates.names) : .turnedOff }
    return try template.get()
  }

  /// Says how rows were written, and how many there are.
  func line(of report: PackingReport) -> String {
    let places = report.windows * report.sequenceLength
    let empty = 100 * Double(report.emptyPlaces) / Double(max(1, places))
    return
      "\(report.rows) rows in \(report.windows) windows, \(formatted(empty, decimals: 1)) % of "
      + "their places empty; \(line)"
  }

  /// Says which template was taken: "chat template: chatml, the model's own, …".
  public var line: String {
    guard case .success(let template)? = template else {
      return "no chat template: completions go on from their prompts, up to EOS"
    }
    var text = "chat template: \(template.name), " + (isOwn ? "the model's own" : "as named")
    switch template.defaultSystem {
    case nil: break
    case "": text += "; chats without a system message get an empty one"
    case let message?:
      let excerpt = message.count > 60 ? message.prefix(60) + "…" : message[...]
      text += "; chats without a system message get \"\(excerpt)\""
    }
    return text
  }
}
