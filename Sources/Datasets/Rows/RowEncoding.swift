import Chats
import Storage

/// Which tokens of a row are targets that count.
public enum TrainOn: String, CaseIterable, Hashable, Sendable {
  /// Completions, outputs and the assistant's turns, with the token that ends each.
  case completions
  case all
}

/// What happens to rows longer than a window.
public enum LongRows: String, CaseIterable, Hashable, Sendable {
  /// They are cut at the window's length; what is behind a cut is read without what is before it.
  case split
  /// They are left out.
  case drop
}

/// How the rows of JSON Lines files become ids.
public struct RowEncoding: Hashable, Sendable {
  public var trainOn: TrainOn
  /// How chats are written, and pairs as chats of one question; nil where there is no template.
  public var template: Result<ChatTemplate, ChatError>?
  /// Whether there is no template because it was asked for so.
  public var isTurnedOff: Bool

  /// - Parameter template: nil for pairs that are continued as they are; an error for a model whose
  ///   template is not known, thrown by the first row that needs one.
  public init(
    trainOn: TrainOn = .completions, template: Result<ChatTemplate, ChatError>? = nil,
    isTurnedOff: Bool = false
  ) {
    self.trainOn = trainOn
    self.isTurnedOff = isTurnedOff
    self.template = template
  }

  /// Identifies everything that rows' ids and masks depend on besides the tokenizer.
  var identity: String {
    let template = (try? template?.get())??.json.encoded(sorted: true) ?? "none"
    return "rows \(trainOn.rawValue) \(template)"
  }

  /// The pieces of a row.
  /// - Throws: `ChatError` for a chat that the template can't write, or without a template.
  func pieces(of row: TextRow) throws(ChatError) -> [SequencePiece] {
    switch row {
    case .text(let text):
      return [SequencePiece(.begin), SequencePiece(.text(text), counts: true)]
    case .pair(let prompt, let completion):
      if let template = try template?.get() {
        return try template.sequence(Self.chat(prompt, completion))
      }
      return Self.continued(prompt, completion)
    case .instruction(let instruction, let input, let output):
      let prompt = input.isEmpty ? instruction : instruction + "\n\n" + input
      if let template = try template?.get() {
        return try template.sequence(Self.chat(prompt, output))
      }
      return Self.continued(prompt + "\n\n", output)
    case .chat(let messages):
      guard let template = try template?.get() else {
        throw isTurnedOff ? .turnedOff : .noTemplate(known: ChatTemplates.names)
      }
      return try template.sequence(messages)
    }
  }

  private static func chat(_ question: String, _ answer: String) -> [ChatMessage] {
    [ChatMessage(.user, question), ChatMessage(.assistant, answer)]
  }

  /// A prompt and what continues it up to EOS, so that the model learns to stop.
  private static func continued(_ prompt: String, _ completion: String) -> [SequencePiece] {
    [
      SequencePiece(.begin), SequencePiece(.text(prompt)),
      SequencePiece(.text(completion), counts: true, continues: !prompt.isEmpty),
      SequencePiece(.end, counts: true),
    ]
  }
}
