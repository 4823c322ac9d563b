import Checkpoints
import Tokenizers

extension Checkpoint {
  /// Loads the tokenizer, with the special tokens that the checkpoint's settings give it.
  /// - Throws: `TokenizerError`, and `CheckpointError` for a special token that the tokenizer lacks.
  public func loadTokenizer() throws -> any Tokenizer {
    let tokenizer = try TokenizerKind.load(tokenizerKind, tokenizerBytes)
    let ids = SpecialTokenIDs(
      tokenizerSettings, begin: tokenizer.beginOfSequence, end: tokenizer.endOfSequence)
    for (id, field) in [(ids.begin, "begin_of_sequence"), (ids.end, "end_of_sequence")] {
      guard let id, id >= tokenizer.vocabularySize else { continue }
      throw CheckpointError.damaged(
        path: path, field: "tokenizer.\(field)", found: "\(id)",
        expected: "an id below \(tokenizer.vocabularySize), the tokenizer's number of ids")
    }
    // Where the next document would begin, a text ends too.
    let begin = ids.begin.map { ids.ends.contains($0) ? [] : [$0] } ?? []
    return SettledTokenizer(
      tokenizer, beginOfSequence: ids.addsBegin ? ids.begin : nil, endOfSequence: ids.end,
      endsOfText: ids.ends + begin,
      continuesBehindControls: tokenizerSettings.continuesBehindControls)
  }
}
