import Checkpoints
import Tokenizers

/// A checkpoint's tokenizer and settings as a GGUF file's metadata: the inverse of
/// `GGUFVocabulary`.
enum GGUFVocabularyExport {
  typealias Values = [(key: String, value: GGUFWriter.Value)]

  /// The metadata, and what a person should know of it.
  /// - Throws: `CheckpointError.unsupported` for a tokenizer that GGUF files can't hold.
  static func values(
    of checkpoint: Checkpoint
  ) throws(CheckpointError) -> (values: Values, notes: [String]) {
    let table: VocabularyTable
    do throws(TokenizerError) {
      table = try VocabularyTable(
        kind: checkpoint.tokenizerKind, serialized: checkpoint.tokenizerBytes)
    } catch {
      throw .unsupported(
        path: checkpoint.path, field: "tokenizer", found: error.description,
        expected: "a vocabulary that GGUF files can hold")
    }
    let padded = paddedPieces(table, to: checkpoint.configuration.vocabularySize)
    var values: Values = [("tokenizer.ggml.model", .text(table.model))]
    if let name = table.preTokenizer { values.append(("tokenizer.ggml.pre", .text(name))) }
    values.append(("tokenizer.ggml.tokens", .texts(padded.pieces)))
    if !table.scores.isEmpty { values.append(("tokenizer.ggml.scores", .singles(padded.scores))) }
    values.append(("tokenizer.ggml.token_type", .integers(padded.types)))
    if !table.merges.isEmpty { values.append(("tokenizer.ggml.merges", .texts(table.merges))) }
    values += special(table, checkpoint.tokenizerSettings)
    if let template = checkpoint.tokenizerSettings.chatTemplate {
      values.append(("tokenizer.chat_template", .text(template)))
    }
    return (values, notes(table))
  }

  /// llama.cpp takes as many pieces as the embedding has rows; those without one get a spelling that
  /// no text has.
  private static func paddedPieces(_ table: VocabularyTable, to rows: Int) -> VocabularyTable {
    var padded = table
    let unused: Int32 = 5
    if padded.types.isEmpty { padded.types = .init(repeating: 1, count: table.pieces.count) }
    for id in table.pieces.count..<max(rows, table.pieces.count) {
      padded.pieces.append("[PAD\(id)]")
      padded.types.append(unused)
      if !table.scores.isEmpty { padded.scores.append(-1000) }
    }
    return padded
  }

  private static func special(_ table: VocabularyTable, _ settings: TokenizerSettings) -> Values {
    func id(_ token: TokenizerSettings.SpecialToken, stored: Int32?) -> Int32? {
      switch token {
      case .stored: stored
      case .absent: nil
      case .id(let id): id
      }
    }
    let begin = id(settings.beginOfSequence, stored: table.beginOfSequence)
    let end = id(settings.endOfSequence, stored: table.endOfSequence)
    // Ids that a reader finds by their spelling need no key.
    let endOfTurn = settings.endsOfText.first { id in
      id >= 0 && Int(id) < table.pieces.count
        && !GGUFVocabulary.endsOfTurn.contains(table.pieces[Int(id)])
    }
    let ids = [
      ("bos", begin), ("eos", end), ("eot", endOfTurn), ("unknown", table.unknown),
      ("padding", table.padding),
    ]
    var values: Values = []
    for case (let name, let id?) in ids where id >= 0 {
      values.append(("tokenizer.ggml.\(name)_token_id", .count(Int(id))))
    }
    values.append(
      ("tokenizer.ggml.add_bos_token", .flag(begin != nil && settings.addsBeginOfSequence)))
    values.append(("tokenizer.ggml.add_eos_token", .flag(false)))
    if let adds = table.addsSpacePrefix {
      values.append(("tokenizer.ggml.add_space_prefix", .flag(adds)))
    }
    if table.removesExtraSpaces == true {
      values.append(("tokenizer.ggml.remove_extra_whitespaces", .flag(true)))
    }
    return values
  }

  private static func notes(_ table: VocabularyTable) -> [String] {
    table.removesExtraSpaces == true
      ? [
        "its tokenizer makes runs of spaces one space, which llama.cpp does not: texts with such runs "
          + "get other ids there"
      ] : []
  }
}
