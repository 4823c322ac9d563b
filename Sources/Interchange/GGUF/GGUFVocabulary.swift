import Checkpoints
import Tokenizers

/// The vocabulary in a GGUF file's metadata (`tokenizer.*`).
struct GGUFVocabulary: ImportedVocabulary {
  let path: String
  let table: VocabularyTable
  let settings: TokenizerSettings

  private static let prefix = "tokenizer.ggml."

  /// Reads and checks the lists and ids; nil if the file has no vocabulary.
  /// - Parameter rows: rows of the embedding, at least as many as there are pieces.
  /// - Throws: `CheckpointError`.
  init?(_ metadata: GGUFMetadata, rows: Int) throws(CheckpointError) {
    func key(_ name: String) -> String { Self.prefix + name }
    guard let model = try metadata.text(key("model")), model != "none" else { return nil }
    guard let pieces = try metadata.texts(key("tokens")) else {
      throw metadata.problem(key("tokens"), "a list of texts")
    }
    guard (1...rows).contains(pieces.count) else {
      throw metadata.problem(key("tokens"), "1 to \(rows) pieces, the rows of token_embd.weight")
    }
    func id(_ name: String) throws(CheckpointError) -> Int32? {
      try metadata.integer(key(name), in: 0...pieces.count - 1).map { Int32($0) }
    }
    var table = VocabularyTable(
      model: model, preTokenizer: try metadata.text(key("pre")), pieces: pieces)
    table.scores = try metadata.singles(key("scores")) ?? []
    table.types = try metadata.integers(key("token_type")) ?? []
    for (name, count) in [("scores", table.scores.count), ("token_type", table.types.count)]
    where count != 0 && count != pieces.count {
      throw metadata.problem(key(name), "a list of \(pieces.count), one for each piece")
    }
    table.merges = try metadata.texts(key("merges")) ?? []
    table.addsSpacePrefix = try metadata.flag(key("add_space_prefix"))
    table.removesExtraSpaces = try metadata.flag(key("remove_extra_whitespaces"))
    table.beginOfSequence = try id("bos_token_id")
    table.endOfSequence = try id("eos_token_id")
    table.endOfTurn = try id("eot_token_id")
    table.unknown = try id("unknown_token_id")
    table.padding = try id("padding_token_id")
    table.addsBeginOfSequence = try metadata.flag(key("add_bos_token"))
    table.addsEndOfSequence = try metadata.flag(key("add_eos_token"))
    path = metadata.file.path
    self.table = table
    settings = try Self.settings(
      table, endOfMessage: try id("eom_token_id"),
      template: try metadata.text("tokenizer.chat_template"))
  }

  func imported() throws(InterchangeError) -> ImportedTokenizer {
    let stored: StoredTokenizer
    do throws(TokenizerError) {
      let (kind, bytes) = try table.serialized()
      stored = StoredTokenizer(kind: kind, bytes: bytes, settings: settings)
    } catch {
      throw .tokenizer(path: path, error)
    }
    _ = try TokenizerFile.load(stored, path)
    return ImportedTokenizer(stored)
  }

  func settings(
    for stored: StoredTokenizer
  ) throws(InterchangeError) -> (settings: TokenizerSettings, leftOut: [String]) {
    let tokenizer = try TokenizerFile.load(stored, path)
    var leftOut: [String] = []
    func isKnown(_ id: Int32, _ what: String) -> Bool {
      let piece = table.pieces[Int(id)]
      if id < tokenizer.vocabularySize, tokenizer.piece(of: id) == piece { return true }
      leftOut.append("\(what) '\(piece.prefix(40))' (id \(id))")
      return false
    }
    func kept(
      _ token: TokenizerSettings.SpecialToken, _ what: String
    ) -> TokenizerSettings.SpecialToken {
      if case .id(let id) = token, !isKnown(id, what) { return .stored }
      return token
    }
    var settings = settings
    settings.beginOfSequence = kept(settings.beginOfSequence, "BOS")
    settings.endOfSequence = kept(settings.endOfSequence, "EOS")
    settings.endsOfText.removeAll { !isKnown($0, "the end") }
    return (settings, leftOut)
  }
}

// MARK: what a sequence begins and ends with

extension GGUFVocabulary {
  /// Control tokens that end a chat's turn, by their spellings, as llama.cpp looks for them.
  private static let endsOfTurn: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>",
    "<|end_of_text|>", "<EOT>",
  ]

  /// Whether a reader takes an id for an end of texts by its spelling, without a key.
  static func isEndBySpelling(_ id: Int32, in table: VocabularyTable) -> Bool {
    let control: Int32 = 3
    return !table.types.isEmpty && table.pieces.indices.contains(Int(id))
      && table.types[Int(id)] == control && endsOfTurn.contains(table.pieces[Int(id)])
  }

  /// BOS and EOS where a file has no keys for them, by llama.cpp's rules.
  static func usualTokens(of model: String) -> (begin: Int32?, end: Int32?) {
    model == "llama" ? (1, 2) : (nil, nil)
  }

  private static func settings(
    _ table: VocabularyTable, endOfMessage: Int32?, template: String?
  ) throws(CheckpointError) -> TokenizerSettings {
    // llama.cpp's defaults for files that don't say.
    let isSentencePiece = table.model == "llama"
    func known(_ id: Int32) -> Int32? { Int(id) < table.pieces.count ? id : nil }
    let usual = usualTokens(of: table.model)
    let begin = table.beginOfSequence ?? usual.begin.flatMap(known)
    let end = table.endOfSequence ?? usual.end.flatMap(known)
    var settings = TokenizerSettings()
    settings.endOfSequence = end.map { .id($0) } ?? .absent
    if let adds = table.addsBeginOfSequence ?? (isSentencePiece ? true : nil) {
      settings.beginOfSequence = begin.map { .id($0) } ?? .absent
      settings.addsBeginOfSequence = adds
    }
    // Otherwise the way of splitting decides, which the stored form knows.
    let spelled = table.pieces.indices.filter { isEndBySpelling(Int32($0), in: table) }
    for id in [table.endOfTurn, endOfMessage].compactMap({ $0 }) + spelled.map({ Int32($0) })
    where id != end && !settings.endsOfText.contains(id) {
      settings.endsOfText.append(id)
    }
    settings.chatTemplate = template
    return settings
  }
}
