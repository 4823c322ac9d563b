import Checkpoints
import Storage
import TestSupport
import Testing
import Tokenizers

#if canImport(Glibc)
  import Glibc
#endif

/// Which tokenizer of a Hugging Face folder is taken, and what its configuration files say.
@Suite struct HuggingFaceVocabularyTests {
  private let folder: HuggingFaceFolder

  init() throws {
    folder = try HuggingFaceFolder(TinyModel.configuration())
    try folder.write(folder.items(.f32))
  }

  private func write(_ value: JSONValue, _ name: String) throws {
    try folder.folder.write(value.encoded(), to: "m/" + name)
  }

  private func tokenizer(begins: Bool = false, type: String = "BPE") -> JSONValue {
    HuggingFaceFolder.tokenizerJSON(begins: begins, type: type)
  }

  private func useJSON(begins: Bool = false) throws {
    unlink(folder.folder["m/tokenizer.model"])
    try write(tokenizer(begins: begins), "tokenizer.json")
  }

  @Test func aTokenizerJSONIsTakenWhereThereIsNoModel() throws {
    try useJSON()
    let checkpoint = try folder.imported()
    #expect(checkpoint.tokenizerKind == "bpe")
    #expect(checkpoint.tokenizerSettings == TokenizerSettings())
    let loaded = try TokenizerKind.load("bpe", checkpoint.tokenizerBytes)
    #expect(try loaded.encode("ab b<s>") == [3, 2, 1])
    #expect(loaded.vocabularySize == 7)
  }

  @Test func theFolderSaysWhatBeginsAndEndsATextAndHowChatsAreWritten() throws {
    try useJSON()
    try write(
      [
        "bos_token": "<s>", "eos_token": ["content": "</s>", "lstrip": false],
        "model_max_length": 1e30, "chat_template": "{{ a }}",
      ], "tokenizer_config.json")
    try write(["eos_token_id": [5, 6], "do_sample": true], "generation_config.json")
    var expected = TokenizerSettings()
    expected.beginOfSequence = .id(4)
    expected.endOfSequence = .id(5)
    expected.addsBeginOfSequence = false
    expected.endsOfText = [6]
    expected.chatTemplate = "{{ a }}"
    #expect(try folder.imported().tokenizerSettings == expected)
    try folder.folder.write("{{ «b» }}\n", to: "m/chat_template.jinja")
    expected.chatTemplate = "{{ «b» }}\n"
    #expect(try folder.imported().tokenizerSettings == expected)
    unlink(folder.folder["m/chat_template.jinja"])
    try write(
      [
        "bos_token": .null, "add_bos_token": false,
        "chat_template": [
          ["name": "tool_use", "template": "x"], ["name": "default", "template": "y"],
        ],
      ], "tokenizer_config.json")
    try write(["eos_token_id": 6], "generation_config.json")
    expected = TokenizerSettings()
    expected.endOfSequence = .id(6)
    expected.chatTemplate = "y"
    #expect(try folder.imported().tokenizerSettings == expected)
  }

  @Test func theTemplateSaysThatTextsBeginUnlessTheConfigurationDoes() throws {
    try useJSON(begins: true)
    try write(["bos_token": "<s>"], "tokenizer_config.json")
    #expect(try folder.imported().tokenizerSettings == TokenizerSettings())
    try write(["bos_token": "<s>", "add_bos_token": false], "tokenizer_config.json")
    var expected = TokenizerSettings()
    expected.addsBeginOfSequence = false
    #expect(try folder.imported().tokenizerSettings == expected)
  }

  @Test func aModelThatLacksSpecialTokensIsNotTaken() throws {
    let golden = SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model"
    let bytes = try TemporaryFolder.read(golden)
    let pieces = try #require(bytes.withUnsafeBytes { TokenizerKind.recognise($0) }).vocabularySize
    let folder = try HuggingFaceFolder(TinyModel.configuration(vocabularySize: pieces + 8))
    try folder.write(folder.items(.f32))
    try folder.folder.write(bytes, to: "m/tokenizer.model")
    #expect(try folder.imported().tokenizerKind == "sentencepiece")
    func added(_ tokens: [(String, Int)]) -> JSONValue {
      var object = tokenizer().object ?? [:]
      object["added_tokens"] = .array(
        tokens.map { ["content": .string($0.0), "id": .int($0.1), "special": true] })
      object["post_processor"] = .null
      return .object(object)
    }
    try folder.folder.write(added([("<s>", 1), ("</s>", 2)]).encoded(), to: "m/tokenizer.json")
    #expect(try folder.imported().tokenizerKind == "sentencepiece")
    try folder.folder.write(added([("<s>", 1)]).encoded() + "}", to: "m/tokenizer.json")
    #expect(try folder.imported().tokenizerKind == "sentencepiece")
    try folder.folder.write(added([("<|end|>", 4)]).encoded(), to: "m/tokenizer.json")
    #expect(try folder.imported().tokenizerKind == "bpe")
  }

  @Test func wrongFilesAreRefusedAndNothingIsWritten() throws {
    try useJSON()
    func expectRefused(_ value: JSONValue, _ name: String, naming words: String) throws {
      try write(value, name)
      let error = failure { _ = try folder.imported() }
      #expect(error?.category == .badData)
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "accepted")")
      #expect(error?.description.contains(folder.folder["m/"]) == true)
      #expect(access(folder.folder["x"], F_OK) != 0)
    }
    try expectRefused(tokenizer(type: "Unigram"), "tokenizer.json", naming: "'Unigram'")
    try expectRefused(["model": []], "tokenizer.json", naming: "another kind")
    try write(tokenizer(), "tokenizer.json")
    try expectRefused([1], "tokenizer_config.json", naming: "tokenizer_config.json")
    try expectRefused(["bos_token": 3], "tokenizer_config.json", naming: "bos_token")
    try expectRefused(
      ["bos_token": "<s>", "add_bos_token": "x"], "tokenizer_config.json",
      naming: "add_bos_token")
    try expectRefused(["chat_template": [1]], "tokenizer_config.json", naming: "chat_template")
    try write([:], "tokenizer_config.json")
    try expectRefused(["eos_token_id": 7], "generation_config.json", naming: "eos_token_id")
    try expectRefused(["eos_token_id": "x"], "generation_config.json", naming: "eos_token_id")
  }
}
