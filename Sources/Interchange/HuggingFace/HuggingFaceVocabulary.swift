import Checkpoints
import Storage
import Tokenizers

/// The tokenizer of a Hugging Face folder: `tokenizer.model` or `tokenizer.json`, and what
/// `tokenizer_config.json`, `generation_config.json` and `chat_template.jinja` say beside it.
struct HuggingFaceVocabulary: ImportedVocabulary {
  let folder: String
  /// Rows of the embedding, at least as many as there are ids.
  let rows: Int

  func stored() throws(InterchangeError) -> StoredTokenizer {
    var stored = try TokenizerFile.read(try file(), for: folder, vocabularySize: rows)
    stored.settings = try settings(stored)
    return stored
  }

  /// A SentencePiece model is the first choice, unless it lacks special tokens that tokenizer.json
  /// adds to it, or takes them for text.
  private func file() throws(InterchangeError) -> String? {
    let (model, json) = (folder + "/tokenizer.model", folder + "/tokenizer.json")
    guard HuggingFaceFormat.exists(model) else {
      return HuggingFaceFormat.exists(json) ? json : nil
    }
    guard HuggingFaceFormat.exists(json) else { return model }
    let mapped = try InterchangeError.wrapping { () throws(CheckpointError) in
      try wrapping { () throws(StorageError) in try MappedFile(path: json) }
    }
    // A damaged tokenizer.json is not needed where the model is whole.
    guard let special = BytePairTokenizer.specialTokens(of: mapped.bytes) else { return model }
    let stored = try TokenizerFile.read(model, for: folder, vocabularySize: rows)
    let tokenizer = try load(stored)
    let isWhole = special.allSatisfy { spelling, id in
      tokenizer.controlID(spelling) == id
        || (tokenizer.unknown == id && tokenizer.piece(of: id) == spelling)
    }
    return isWhole ? model : json
  }

  private func load(_ stored: StoredTokenizer) throws(InterchangeError) -> any Tokenizer {
    let result: Result<any Tokenizer, TokenizerError> = stored.bytes.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in try TokenizerKind.load(stored.kind, bytes) }
    }
    do {
      return try result.get()
    } catch {
      throw .tokenizer(path: folder, error)
    }
  }
}

// MARK: what a sequence begins and ends with

extension HuggingFaceVocabulary {
  private func settings(
    _ stored: StoredTokenizer
  ) throws(InterchangeError) -> TokenizerSettings {
    var settings = TokenizerSettings()
    let config = try members("tokenizer_config.json")
    let generation = try members("generation_config.json")
    settings.chatTemplate = try template(config)
    guard config != nil || generation != nil else { return settings }
    let tokenizer = try load(stored)
    if let config {
      try InterchangeError.wrapping { () throws(CheckpointError) in
        try read(config, tokenizer, into: &settings)
      }
    }
    if let generation {
      try InterchangeError.wrapping { () throws(CheckpointError) in
        try readEnds(generation, tokenizer, into: &settings)
      }
    }
    return settings
  }

  /// The members of a JSON file; nil if the folder does not have it.
  private func members(_ name: String) throws(InterchangeError) -> JSONFields? {
    let path = folder + "/" + name
    guard HuggingFaceFormat.exists(path) else { return nil }
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      let value = try wrapping { () throws(StorageError) in try JSONValue.read(path: path) }
      return try JSONFields(value, path: path, place: "")
    }
  }

  private func read(
    _ config: JSONFields, _ tokenizer: any Tokenizer, into settings: inout TokenizerSettings
  ) throws(CheckpointError) {
    func token(_ key: String) throws(CheckpointError) -> Int32? {
      guard let value = config.object[key], !value.isNull else { return nil }
      guard let spelling = value.string ?? value["content"]?.string else {
        throw config.problem(key, value, "a token's text")
      }
      return tokenizer.id(of: spelling)
    }
    let (begin, end) = (try token("bos_token"), try token("eos_token"))
    if let begin, begin != tokenizer.beginOfSequence { settings.beginOfSequence = .id(begin) }
    if let end, end != tokenizer.endOfSequence { settings.endOfSequence = .id(end) }
    guard begin ?? tokenizer.beginOfSequence != nil else { return }
    let key = "add_bos_token"
    if let adds = config.object[key], !adds.isNull {
      settings.addsBeginOfSequence = try config.bool(key)
    } else {
      // A SentencePiece model's class adds it; a tokenizer.json has a template that says so.
      settings.addsBeginOfSequence = tokenizer.beginOfSequence != nil
    }
  }

  /// The ids that end generated text.
  private func readEnds(
    _ generation: JSONFields, _ tokenizer: any Tokenizer, into settings: inout TokenizerSettings
  ) throws(CheckpointError) {
    let key = "eos_token_id"
    guard let value = generation.object[key], !value.isNull else { return }
    for item in value.array ?? [value] {
      guard let id = item.int, (0..<tokenizer.vocabularySize).contains(id) else {
        throw generation.problem(key, value, "ids below \(tokenizer.vocabularySize)")
      }
      let known = settings.endOfSequence == .stored ? tokenizer.endOfSequence : nil
      if settings.endOfSequence == .stored, known == nil {
        settings.endOfSequence = .id(Int32(id))
      } else if settings.endOfSequence != .id(Int32(id)), known != Int32(id),
        !settings.endsOfText.contains(Int32(id))
      {
        settings.endsOfText.append(Int32(id))
      }
    }
  }

  /// `chat_template.jinja`, or the member `chat_template`: a text, or a list of named ones.
  private func template(_ config: JSONFields?) throws(InterchangeError) -> String? {
    let path = folder + "/chat_template.jinja"
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      if HuggingFaceFormat.exists(path) {
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

extension Tokenizer {
  /// The id of a piece; a control token's first.
  fileprivate func id(of spelling: String) -> Int32? {
    controlID(spelling)
      ?? (0..<Int32(vocabularySize)).first { id in piece(of: id) == spelling }
  }
}
