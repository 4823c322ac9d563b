import Checkpoints
import Storage
import Tokenizers

/// The tokenizer of a Hugging Face folder: `tokenizer.model`, with the tokens that
/// `added_tokens.json` adds to it, or `tokenizer.json`, and what `tokenizer_config.json`,
/// `generation_config.json` and `chat_template.jinja` say beside it.
struct HuggingFaceVocabulary: ImportedVocabulary {
  let folder: String
  /// Rows of the embedding, at least as many as there are ids.
  let rows: Int

  func imported() throws(InterchangeError) -> ImportedTokenizer {
    var tokenizer = try TokenizerFile.read(try file(), for: folder, vocabularySize: rows)
    // Ids that the folder's own tokenizer lacks are a contradiction.
    let found = try settings(for: tokenizer.stored, dropsForeign: false)
    tokenizer.stored.settings = found.settings
    return tokenizer
  }

  func settings(
    for stored: StoredTokenizer
  ) throws(InterchangeError) -> (settings: TokenizerSettings, leftOut: [String]) {
    try settings(for: stored, dropsForeign: true)
  }

  /// A SentencePiece model is the first choice, unless it lacks tokens that tokenizer.json adds to
  /// it, or takes them for something else.
  private func file() throws(InterchangeError) -> String? {
    let model = folder + "/" + SentencePieceTokenizer.fileName
    guard Folder.exists(model) else { return Folder.exists(json) ? json : nil }
    // A damaged tokenizer.json is not needed where the model is whole.
    guard let mapped = try mappedJSON(), let added = BytePairTokenizer.addedTokens(of: mapped.bytes)
    else { return model }
    let stored = try TokenizerFile.readAlone(model, for: folder, vocabularySize: rows).stored
    let tokenizer = try TokenizerFile.load(stored, folder)
    // Those without a row are no tokens of this model.
    let isWhole = added.filter { Int($0.id) < rows }.allSatisfy { token in
      let isPlain = !token.takesSpaceBefore && !token.takesSpaceAfter && !token.isWord
      let isKnown =
        token.id < tokenizer.vocabularySize && tokenizer.piece(of: token.id) == token.content
      let isControl = tokenizer.isControl(token.id) || tokenizer.unknown == token.id
      return isPlain && isKnown && (isControl || !token.isSpecial)
    }
    return isWhole ? model : json
  }

  private var json: String { folder + "/" + BytePairTokenizer.fileName }

  /// The folder's tokenizer.json; nil if there is none.
  private func mappedJSON() throws(InterchangeError) -> MappedFile? {
    guard Folder.exists(json) else { return nil }
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      try wrapping { () throws(StorageError) in try MappedFile(path: json) }
    }
  }
}

// MARK: what a sequence begins and ends with

extension HuggingFaceVocabulary {
  /// - Parameter dropsForeign: whether ids that the tokenizer lacks are left out, not refused.
  private func settings(
    for stored: StoredTokenizer, dropsForeign: Bool
  ) throws(InterchangeError) -> (settings: TokenizerSettings, leftOut: [String]) {
    var found = HuggingFaceSettings(
      try TokenizerFile.load(stored, folder), dropsForeign: dropsForeign)
    let config = try members("tokenizer_config.json")
    found.settings.chatTemplate = try template(config)
    if stored.kind == SentencePieceTokenizer.kind {
      found.settings.continuesBehindControls = try continuesBehindControls(config)
    }
    let files = (try members("generation_config.json"), try members("config.json"))
    try InterchangeError.wrapping { () throws(CheckpointError) in
      if let config { try found.read(config) }
      if let ends = HuggingFaceSettings.hasEnds(files.0) ? files.0 : files.1 {
        try found.readEnds(ends)
      }
    }
    return (found.settings, found.leftOut)
  }

  /// Whether only the first text of a sequence gets a space, which a SentencePiece model can't say:
  /// tokenizer.json does, or else "legacy"; nil for the usual, every text.
  private func continuesBehindControls(_ config: JSONFields?) throws(InterchangeError) -> Bool? {
    if let mapped = try mappedJSON(),
      let continues = BytePairTokenizer.continuesBehindControls(of: mapped.bytes)
    {
      return continues ? true : nil
    }
    guard let config, let legacy = config.object["legacy"], !legacy.isNull else { return nil }
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      try config.bool("legacy") ? nil : true
    }
  }

  private func members(_ name: String) throws(InterchangeError) -> JSONFields? {
    try JSONFields.file("\(folder)/\(name)")
  }

  /// `chat_template.jinja`, or the member `chat_template`: a text, or a list of named ones.
  private func template(_ config: JSONFields?) throws(InterchangeError) -> String? {
    let path = folder + "/chat_template.jinja"
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      if Folder.exists(path) {
        let file = try wrapping { () throws(StorageError) in try MappedFile(path: path) }
        guard firstInvalidUTF8(file.bytes) == nil else {
          throw .damaged(path: path, field: "text", found: "no UTF-8", expected: "UTF-8")
        }
        return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
      }
      guard let config, let value = config.object["chat_template"], !value.isNull else {
        return nil
      }
      if let text = value.string { return text }
      guard let named = value.array,
        let text = named.first(where: { $0["name"]?.string == "default" })?["template"]?.string
      else { throw config.problem("chat_template", value, "a text, or a list with a default one") }
      return text
    }
  }
}

extension JSONFields {
  /// The members of a JSON file; nil if there is none at the path.
  static func file(_ path: String) throws(InterchangeError) -> JSONFields? {
    guard Folder.exists(path) else { return nil }
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      let value = try wrapping { () throws(StorageError) in try JSONValue.read(path: path) }
      return try JSONFields(value, path: path, place: "")
    }
  }
}
