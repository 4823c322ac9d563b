import Checkpoints
import Tokenizers

extension Checkpoint {
  /// Loads the tokenizer, with the special tokens that the checkpoint's settings give it.
  /// - Throws: `TokenizerError`, and `CheckpointError` for a special token that the tokenizer lacks.
  public func loadTokenizer() throws -> any Tokenizer {
    let tokenizer = try TokenizerKind.load(tokenizerKind, tokenizerBytes)
    let settings = tokenizerSettings
    let begin = try id(
      settings.beginOfSequence, "begin_of_sequence", stored: tokenizer.beginOfSequence, tokenizer)
    let end = try id(
      settings.endOfSequence, "end_of_sequence", stored: tokenizer.endOfSequence, tokenizer)
    var ends: [Int32] = []
    for id in [end, begin].compactMap({ $0 }) + settings.endsOfText where !ends.contains(id) {
      ends.append(id)
    }
    return SettledTokenizer(
      tokenizer, beginOfSequence: settings.addsBeginOfSequence ? begin : nil, endOfSequence: end,
      endsOfText: ends, continuesBehindControls: settings.continuesBehindControls)
  }

  private func id(
    _ token: TokenizerSettings.SpecialToken, _ field: String, stored: Int32?,
    _ tokenizer: any Tokenizer
  ) throws -> Int32? {
    switch token {
    case .stored: return stored
    case .absent: return nil
    case .id(let id):
      guard id < tokenizer.vocabularySize else {
        throw CheckpointError.damaged(
          path: path, field: "tokenizer.\(field)", found: "\(id)",
          expected: "an id below \(tokenizer.vocabularySize), the tokenizer's number of ids")
      }
      return id
    }
  }
}
