import Checkpoints
import Tokenizers

/// A checkpoint's tokenizer and settings as a GGUF file's metadata: the inverse of
/// `GGUFVocabulary`.
enum GGUFVocabularyExport {
  typealias Values = [(key: String, value: GGUFWriter.Value)]

  /// The metadata, and what a person should know of it.
  /// - Throws: `CheckpointError.unsupported` for a tokenizer that GGUF files can't hold, `.storage` where
  ///   there is no memory to read it.
  static func values(
    of checkpoint: Checkpoint
  ) throws(CheckpointError) -> (values: Values, notes: [String]) {
    let table: VocabularyTable
    do throws(TokenizerError) {
      table = try VocabularyTable(
        kind: checkpoint.tokenizerKind, serialized: checkpoint.tokenizerBytes)
    } catch {
      throw CheckpointError.lackOfMemory(error, in: checkpoint.path)
        ?? .unsupported(
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
    let special = SpecialIDs(table, checkpoint.tokenizerSettings)
    values += special.values(table)
    if let template = checkpoint.tokenizerSettings.chatTemplate {
      values.append(("tokenizer.chat_template", .text(template)))
    }
    return (values, notes(table, special, checkpoint.tokenizerSettings))
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

  private static func notes(
    _ table: VocabularyTable, _ special: SpecialIDs, _ settings: TokenizerSettings
  ) -> [String] {
    var notes: [String] = []
    if table.removesExtraSpaces == true {
      notes.append(
        "its tokenizer makes runs of spaces one space, which llama.cpp does not: texts with such runs "
          + "get other ids there")
    }
    if settings.continuesBehindControls == true, table.addsSpacePrefix != false {
      notes.append(
        "its tokenizer puts no space before texts behind control tokens, which llama.cpp does: chats "
          + "get other ids there")
    }
    func piece(_ id: Int32) -> String { "'\(table.pieces[Int(id)].prefix(40))' (id \(id))" }
    let usual = GGUFVocabulary.usualTokens(of: table.model)
    for case (let name, nil, let id?) in [
      ("BOS", special.ids.begin, usual.begin), ("EOS", special.ids.end, usual.end),
    ] where table.pieces.indices.contains(Int(id)) {
      notes.append(
        "its tokenizer has no \(name), which a file can't say: readers take \(piece(id))")
    }
    if !special.unnamed.isEmpty {
      let pieces = special.unnamed.map(piece).joined(separator: ", ")
      notes.append("texts end at \(pieces) too, for which there is no key")
    }
    return notes
  }
}

/// The ids that a GGUF file has keys for.
struct SpecialIDs {
  let ids: SpecialTokenIDs
  private(set) var endOfTurn: Int32?
  private(set) var endOfMessage: Int32?
  /// Ends of texts without a key.
  private(set) var unnamed: [Int32] = []

  init(_ table: VocabularyTable, _ settings: TokenizerSettings) {
    ids = SpecialTokenIDs(
      settings, begin: table.beginOfSequence, end: table.endOfSequence)
    // Ids that a reader finds by their spelling need no key.
    var others = ids.ends.dropFirst(ids.end == nil ? 0 : 1).filter {
      table.pieces.indices.contains(Int($0))
        && !GGUFVocabulary.isEndBySpelling($0, in: table)
    }
    if !others.isEmpty { endOfTurn = others.removeFirst() }
    if !others.isEmpty { endOfMessage = others.removeFirst() }
    unnamed = others
  }

  /// The keys and their values.
  func values(_ table: VocabularyTable) -> GGUFVocabularyExport.Values {
    let keys = [
      ("bos", ids.begin), ("eos", ids.end), ("eot", endOfTurn), ("eom", endOfMessage),
      ("unknown", table.unknown), ("padding", table.padding),
    ]
    var values: GGUFVocabularyExport.Values = []
    for case (let name, let id?) in keys where id >= 0 {
      values.append(("tokenizer.ggml.\(name)_token_id", .count(Int(id))))
    }
    values.append(("tokenizer.ggml.add_bos_token", .flag(ids.addsBegin)))
    values.append(("tokenizer.ggml.add_eos_token", .flag(false)))
    if let adds = table.addsSpacePrefix {
      values.append(("tokenizer.ggml.add_space_prefix", .flag(adds)))
    }
    if table.removesExtraSpaces == true {
      values.append(("tokenizer.ggml.remove_extra_whitespaces", .flag(true)))
    }
    return values
  }
}
