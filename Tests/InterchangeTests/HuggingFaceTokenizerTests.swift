import Checkpoints
import Interchange
import Storage
import TestSupport
import Testing
import Tokenizers

#if canImport(Glibc)
  import Glibc
#endif

/// What of a Hugging Face folder's tokenizer is left out, and what its files say of others.
@Suite struct HuggingFaceTokenizerTests {
  private let folder: HuggingFaceFolder

  init() throws {
    folder = try HuggingFaceFolder(TinyModel.configuration())
    try folder.write(folder.items(.f32))
  }

  private func write(_ value: JSONValue, _ name: String) throws {
    try folder.folder.write(value.encoded(), to: "m/" + name)
  }

  private func tokenizer() -> JSONValue { HuggingFaceFolder.tokenizerJSON() }

  /// Gemma 3's small models have an added token for images, above all rows.
  @Test func addedTokensWithoutARowAreLeftOut() throws {
    unlink(folder.folder["m/tokenizer.model"])
    let rows = folder.configuration.vocabularySize
    func tokenizer(_ vocabulary: JSONObject = [:]) -> JSONValue {
      var object = self.tokenizer().object ?? [:]
      let image: JSONValue = ["id": .int(rows), "content": "<image>", "special": true]
      object["added_tokens"] = .array((object["added_tokens"]?.array ?? []) + [image])
      var model = object["model"]?.object ?? [:]
      var pieces = model["vocab"]?.object ?? [:]
      for member in vocabulary.members { pieces[member.key] = member.value }
      model["vocab"] = .object(pieces)
      object["model"] = .object(model)
      return .object(object)
    }
    try write(tokenizer(), "tokenizer.json")
    let checkpoint = try folder.imported()
    #expect(
      checkpoint.metadata["left_out"]?.string
        == "the token '<image>' (id \(rows), of \(rows) rows)")
    let loaded = try TokenizerKind.load("bpe", checkpoint.tokenizerBytes)
    #expect(loaded.vocabularySize == 7 && loaded.controlID("<|end|>") == 6)
    #expect(try loaded.encode("ab b") == [3, 2, 1] && loaded.controlID("<image>") == nil)
    // Pieces of text without a row are not.
    for more: JSONObject in [["<image>": .int(rows)], ["abc": .int(rows + 1)]] {
      try write(tokenizer(more), "tokenizer.json")
      #expect(failure { _ = try folder.imported() }?.category == .badData)
    }
  }

  /// Tokens beside a SentencePiece model follow its pieces: control tokens where a file calls them
  /// special, else symbols of text.
  @Test func addedTokensFollowTheModelsPieces() throws {
    try folder.folder.write(sentencePiece([]), to: "m/tokenizer.model")
    try write(["<|end|>": 7, "##b": 6, "<unk>": 0, "<far>": 40], "added_tokens.json")
    try write(["additional_special_tokens": ["<|end|>"]], "special_tokens_map.json")
    let checkpoint = try folder.imported()
    #expect(checkpoint.metadata["left_out"]?.string == "'<far>', whose id 40 has no row")
    let loaded = try TokenizerKind.load("sentencepiece", checkpoint.tokenizerBytes)
    #expect(loaded.vocabularySize == 8 && loaded.controlID("<|end|>") == 7)
    #expect(loaded.controlID("##b") == nil && loaded.piece(of: 6) == "##b")
    #expect(try loaded.encode("a##ba") == [5, 6, 4])
    #expect(try !loaded.encode("a<|end|>").contains(7))
    #expect(try loaded.decode([5, 6, 7, 4]) == "a##ba")
  }

  /// A tokenizer that is named has the tokens that its own folder adds, whatever the model's has.
  @Test func aNamedTokenizerBringsItsAddedTokens() throws {
    let files = folder.folder
    try files.write(sentencePiece([]), to: "t/tokenizer.model")
    let added: JSONValue = ["<|end|>": 7, "##b": 6]
    try files.write(added.encoded(), to: "t/added_tokens.json")
    try files.write(
      #"{"additional_special_tokens": ["<|end|>"]}"#, to: "t/special_tokens_map.json")
    try CheckpointImport.run(
      source: files["m"], tokenizer: files["t/tokenizer.model"], elementType: nil,
      output: files["x"])
    let checkpoint = try Checkpoint.open(files["x"])
    let loaded = try TokenizerKind.load("sentencepiece", checkpoint.tokenizerBytes)
    #expect(loaded.vocabularySize == 8 && loaded.controlID("<|end|>") == 7)
    #expect(try loaded.encode("a##ba") == [5, 6, 4])
    // So it is for a new model.
    let read = try TokenizerFile.read(
      files["t/tokenizer.model"], for: "new", vocabularySize: 7)
    let other = try read.stored.bytes.withUnsafeBytes {
      try TokenizerKind.load("sentencepiece", $0)
    }
    #expect(other.vocabularySize == 7)
    #expect(read.leftOut == ["'<|end|>', whose id 7 has no row"])
    try files.write(#"{"<|end|>": 9}"#, to: "t/added_tokens.json")
    let error = failure {
      _ = try TokenizerFile.read(files["t/tokenizer.model"], for: "new", vocabularySize: 20)
    }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("t/added_tokens.json") == true)
  }

  /// The same from tokenizer_config.json, which newer folders have instead.
  @Test func addedTokensOfTheConfigurationFollow() throws {
    try folder.folder.write(sentencePiece([]), to: "m/tokenizer.model")
    func config(_ id: String, _ content: String) -> JSONValue {
      let begin: JSONValue = ["content": "<s>", "special": true]
      let token: JSONValue = ["content": .string(content), "special": true]
      let tokens: JSONValue =
        id == "1" ? .object(["1": token]) : .object(JSONObject([("1", begin), (id, token)]))
      return ["added_tokens_decoder": tokens]
    }
    try write(config("6", "<|end|>"), "tokenizer_config.json")
    try write(["<|end|>": 6], "added_tokens.json")
    let checkpoint = try folder.imported()
    let loaded = try TokenizerKind.load("sentencepiece", checkpoint.tokenizerBytes)
    #expect(loaded.vocabularySize == 7 && loaded.controlID("<|end|>") == 6)
    // A gap, another spelling of a piece, of an added token, a spelling that stands elsewhere.
    for (id, content) in [("7", "<x>"), ("1", "<x>"), ("6", "<x>"), ("6", "a")] {
      try write(config(id, content), "tokenizer_config.json")
      if content == "a" { unlink(folder.folder["m/added_tokens.json"]) }
      if id == "7" { try write(["<y>": 9], "added_tokens.json") }
      let error = failure { _ = try folder.imported() }
      #expect(error?.category == .badData, "\(id) \(content)")
      try write(["<|end|>": 6], "added_tokens.json")
    }
  }

  private func sentencePiece(_ extra: [(String, Int32)]) throws -> [UInt8] {
    var table = VocabularyTable(model: "llama", pieces: ["<unk>", "<s>", "</s>", "▁", "a", "▁a"])
    table.scores = [0, 0, 0, -1, -2, -0.5] + extra.map { _ in 0 }
    table.types = [2, 3, 3, 1, 1, 1] + extra.map(\.1)
    table.pieces += extra.map(\.0)
    (table.beginOfSequence, table.endOfSequence) = (1, 2)
    return try table.serialized().bytes
  }

  @Test func controlPiecesWithoutARowAreLeftOut() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(vocabularySize: 7))
    try folder.write(folder.items(.f32))
    try folder.folder.write(
      try sentencePiece([("<|end|>", 3), ("<image>", 3), ("<x>", 5)]), to: "m/tokenizer.model")
    let checkpoint = try folder.imported()
    #expect(
      checkpoint.metadata["left_out"]?.string
        == "the token '<image>' (id 7, of 7 rows), the token '<x>' (id 8, of 7 rows)")
    let loaded = try TokenizerKind.load("sentencepiece", checkpoint.tokenizerBytes)
    #expect(try loaded.vocabularySize == 7 && loaded.encode("a") == [5])
    #expect(loaded.endOfSequence == 2 && loaded.controlID("<|end|>") == 6)
    try folder.folder.write(
      try sentencePiece([("<|end|>", 3), ("b", 1)]), to: "m/tokenizer.model")
    #expect(failure { _ = try folder.imported() }?.category == .badData)
  }

  /// Of both files, the model is taken where it has every added token as tokenizer.json has it.
  @Test func addedTokensDecideWhichFileIsTaken() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(vocabularySize: 16))
    try folder.write(folder.items(.f32))
    try folder.folder.write(
      try sentencePiece([("<|end|>", 3), ("##", 4)]), to: "m/tokenizer.model")
    func kind(_ tokens: [JSONObject]) throws -> String {
      var object = tokenizer().object ?? [:]
      object["added_tokens"] = .array(tokens.map { .object($0) })
      object["post_processor"] = .null
      try folder.folder.write(JSONValue.object(object).encoded(), to: "m/tokenizer.json")
      return try folder.imported().tokenizerKind
    }
    let end: JSONObject = ["content": "<|end|>", "id": 6, "special": true]
    let sharp: JSONObject = ["content": "##", "id": 7, "special": false]
    #expect(try kind([end, sharp]) == "sentencepiece")
    #expect(try kind([end, sharp, ["content": "<new>", "id": 8, "special": false]]) == "bpe")
    #expect(try kind([end, ["content": "##", "id": 8, "special": false]]) == "bpe")
    #expect(try kind([["content": "##", "id": 7, "special": true]]) == "bpe")
    var strips = end
    strips["rstrip"] = true
    #expect(try kind([strips]) == "bpe")
    // One without a row is none of this model's.
    #expect(
      try kind([end, ["content": "<image>", "id": 16, "special": true]]) == "sentencepiece")
  }

  /// Whether every text or only the first one of a sequence gets a space.
  @Test func whereSpacesGoIsReadBesideAModel() throws {
    func continues() throws -> Bool? {
      try folder.imported().tokenizerSettings.continuesBehindControls
    }
    #expect(try continues() == nil)
    try write(["legacy": false], "tokenizer_config.json")
    #expect(try continues() == true)
    try write(["legacy": true], "tokenizer_config.json")
    #expect(try continues() == nil)
    func writeScheme(_ scheme: String?) throws {
      var object = tokenizer().object ?? [:]
      object["added_tokens"] = []
      object["post_processor"] = .null
      object["decoder"] = .null
      object["pre_tokenizer"] = scheme.map {
        ["type": "Metaspace", "replacement": "▁", "prepend_scheme": .string($0)]
      }
      if scheme == nil { object["normalizer"] = ["type": "Prepend", "prepend": "▁"] }
      try write(.object(object), "tokenizer.json")
    }
    try writeScheme("first")
    #expect(try continues() == true)
    #expect(try folder.imported().tokenizerKind == "sentencepiece")
    try write(["legacy": false], "tokenizer_config.json")
    try writeScheme("always")
    #expect(try continues() == nil)
    try writeScheme(nil)
    #expect(try continues() == nil)
  }

  @Test func theConfigurationNamesEndsWhereNothingElseDoes() throws {
    unlink(folder.folder["m/tokenizer.model"])
    try write(tokenizer(), "tokenizer.json")
    var config = HuggingFaceFolder.config(folder.configuration).object ?? [:]
    config["eos_token_id"] = [5, 6]
    try folder.write(config: .object(config))
    var expected = TokenizerSettings()
    expected.endOfSequence = .id(5)
    expected.endsOfText = [6]
    #expect(try folder.imported().tokenizerSettings == expected)
    try write(["eos_token_id": 4], "generation_config.json")
    expected = TokenizerSettings()
    expected.endOfSequence = .id(4)
    #expect(try folder.imported().tokenizerSettings == expected)
    try write(["do_sample": true], "generation_config.json")
    config["eos_token_id"] = 6
    try folder.write(config: .object(config))
    expected.endOfSequence = .id(6)
    #expect(try folder.imported().tokenizerSettings == expected)
  }

  /// Another tokenizer in the place of the folder's own.
  @Test func aNamedTokenizerKeepsWhatTheFolderSays() throws {
    try write(
      [
        "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": false, "unk_token": "<none>",
        "chat_template": "{{ a }}",
      ], "tokenizer_config.json")
    try write(["eos_token_id": [5, 6, 400]], "generation_config.json")
    try folder.folder.write(tokenizer().encoded(), to: "other.json")
    func imported() throws -> Checkpoint {
      try CheckpointImport.run(
        source: folder.folder["m"], tokenizer: folder.folder["other.json"], elementType: nil,
        output: folder.folder["x"])
      return try Checkpoint.open(folder.folder["x"])
    }
    var expected = TokenizerSettings()
    expected.beginOfSequence = .id(4)
    expected.endOfSequence = .id(5)
    expected.addsBeginOfSequence = false
    expected.endsOfText = [6]
    expected.chatTemplate = "{{ a }}"
    let checkpoint = try imported()
    #expect(checkpoint.tokenizerKind == "bpe" && checkpoint.tokenizerSettings == expected)
    #expect(checkpoint.metadata["left_out"] == "eos_token_id 400")
    try write(["bos_token": "<none>", "chat_template": "{{ a }}"], "tokenizer_config.json")
    #expect(
      try imported().metadata["left_out"] == "bos_token '<none>', eos_token_id 400")
  }
}
