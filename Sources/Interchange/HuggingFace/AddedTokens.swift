import Checkpoints
import Storage
import Tokenizers

/// The tokens that the files of a Hugging Face folder add to the SentencePiece model beside them:
/// those of `added_tokens.json`, and of `added_tokens_decoder` in `tokenizer_config.json`.
struct AddedTokens {
  private struct Token {
    let id: Int
    let content: String
    /// The file that it is in.
    let source: String
  }

  private var tokens: [Token] = []
  /// Spellings of tokens that no text becomes.
  private var special: Set<String> = []

  /// What the files in a SentencePiece model's folder add to it; nothing where there are none.
  /// - Parameter path: the model's file.
  static func beside(_ path: String) throws(InterchangeError) -> AddedTokens {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    let files = (
      try JSONFields.file(folder + "added_tokens.json"),
      try JSONFields.file(folder + "tokenizer_config.json"),
      try JSONFields.file(folder + "special_tokens_map.json")
    )
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      try AddedTokens(added: files.0, config: files.1, map: files.2)
    }
  }

  /// - Parameters:
  ///   - added: `added_tokens.json`: ids by spelling; nil where there is none.
  ///   - config: `tokenizer_config.json`.
  ///   - map: `special_tokens_map.json`.
  init(
    added: JSONFields?, config: JSONFields?, map: JSONFields?
  ) throws(CheckpointError) {
    if let added {
      for name in added.object.keys {
        let id = try added.int(name, in: 0...Int(Int32.max))
        tokens.append(Token(id: id, content: name, source: added.path))
      }
    }
    if let config, config.object["added_tokens_decoder"]?.object != nil {
      let decoder = try config.fields("added_tokens_decoder")
      for key in decoder.object.keys {
        let fields = try decoder.fields(key)
        guard let id = Int(key), (0...Int(Int32.max)).contains(id) else {
          throw decoder.problem(key, .string(key), "an id")
        }
        let content = try fields.string("content")
        tokens.append(Token(id: id, content: content, source: config.path))
        if fields.object["special"]?.bool == true { special.insert(content) }
      }
    }
    for file in [config, map] {
      for (key, value) in file?.object.members.map({ ($0.key, $0.value) }) ?? []
      where key.hasSuffix("_token") || key == "additional_special_tokens" {
        for item in value.array ?? [value] {
          if let text = item.string ?? item["content"]?.string { special.insert(text) }
        }
      }
    }
  }

  /// The model's bytes with the tokens that it lacks behind its own.
  ///
  /// - Parameters:
  ///   - path: the SentencePiece model's file.
  ///   - rows: of the embedding; tokens beyond them are left out.
  /// - Throws: `CheckpointError.mismatch` for a token that contradicts the model, or that leaves a
  ///   gap behind it.
  func added(
    to stored: StoredTokenizer, _ tokenizer: SentencePieceTokenizer, path: String, rows: Int
  ) throws(CheckpointError) -> ImportedTokenizer {
    var pieces: [AddedPiece] = []
    var spellings: Set<String> = []
    var leftOut: [String] = []
    let size = tokenizer.vocabularySize
    let known = tokens.contains { $0.id >= size } ? tokenizer.spellings : []
    for token in tokens.sorted(by: { ($0.id, $0.content) < ($1.id, $1.content) }) {
      if token.id < size {
        guard !tokenizer.piece(of: Int32(token.id), spells: token.content) else { continue }
        throw contradiction(token, path, "'\(tokenizer.piece(of: Int32(token.id)))'")
      }
      if token.id < size + pieces.count {
        let other = pieces[token.id - size].content
        guard other != token.content else { continue }
        throw contradiction(token, path, "'\(other)'")
      }
      guard token.id < rows else {
        leftOut.append("'\(token.content.prefix(40))', whose id \(token.id) has no row")
        continue
      }
      guard !known.contains(token.content), spellings.insert(token.content).inserted else {
        throw contradiction(token, path, "that spelling under another id, and no piece")
      }
      guard token.id == size + pieces.count else {
        throw contradiction(token, path, "no piece before it, of id \(size + pieces.count)")
      }
      pieces.append(AddedPiece(token.content, isControl: special.contains(token.content)))
    }
    guard !pieces.isEmpty else { return ImportedTokenizer(stored, leftOut: leftOut) }
    var stored = stored
    stored.bytes = stored.bytes.withUnsafeBytes { SentencePieceTokenizer.adding(pieces, to: $0) }
    return ImportedTokenizer(stored, leftOut: leftOut)
  }

  private func contradiction(_ token: Token, _ path: String, _ found: String) -> CheckpointError {
    .mismatch(
      path: token.source, field: "'\(token.content)'", found: "id \(token.id)",
      expected: "an id that fits '\(path)', which has \(found) there",
      next:
        "save the tokenizer with transformers as a tokenizer.json and name that with --tokenizer")
  }
}
