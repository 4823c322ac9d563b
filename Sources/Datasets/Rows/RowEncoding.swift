import Chats

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

  public init(trainOn: TrainOn = .completions) { self.trainOn = trainOn }

  /// Identifies everything that rows' ids and masks depend on besides the tokenizer.
  var identity: String { "rows \(trainOn.rawValue)" }

  /// The pieces of a row that is no plain text.
  /// - Throws: a message for a row that can't be written so.
  func pieces(of row: TextRow) throws(RowParser.Problem) -> [SequencePiece] {
    switch row {
    case .text(let text):
      return [SequencePiece(.begin), SequencePiece(.text(text), counts: true)]
    case .pair(let prompt, let completion):
      return Self.continued(prompt, completion)
    case .instruction(let instruction, let input, let output):
      return Self.continued(Self.prompt(instruction, input) + "\n\n", output)
    case .chat:
      throw .shape("messages need a chat template")
    }
  }

  /// A task with what it is about, a blank line between them.
  static func prompt(_ instruction: String, _ input: String) -> String {
    input.isEmpty ? instruction : instruction + "\n\n" + input
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
