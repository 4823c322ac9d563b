import Storage
import TestSupport
import Testing
import Tokenizers

@testable import Interchange

/// Vocabulary-only GGUF files against the ids that llama.cpp publishes for them.
@Suite struct GGUFVocabularyTests {
  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: ["gpt-2", "starcoder", "refact", "deepseek-coder"])
  func idsAreThosePublished(_ name: String) throws {
    let path = "tokenizer-vectors/ggml-vocab-\(name).gguf"
    let file = try GGUFFile(MappedFile(path: SharedData.require(path)))
    let vocabulary = try #require(try GGUFVocabulary(file.metadata, rows: 60_000))
    let stored = try vocabulary.imported().stored
    #expect(stored.kind == "bpe")
    let tokenizer = try stored.bytes.withUnsafeBytes { try TokenizerKind.load("bpe", $0) }
    let input = try TemporaryFolder.read(SharedData.require(path + ".inp"))
    let output = try TemporaryFolder.read(SharedData.require(path + ".out"))
    // Each text is ended by a line of its own; the line break before that line is not the text's.
    let texts = String(decoding: input, as: UTF8.self).split(
      separator: "\n__ggml_vocab_test__\n", omittingEmptySubsequences: false
    ).dropLast()
    let lines = String(decoding: output, as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false
    ).dropLast()
    #expect(texts.count == lines.count && texts.count > 40)
    for (text, line) in zip(texts, lines) {
      let expected = line.split(separator: " ").compactMap { Int32($0) }
      #expect(try tokenizer.encode(String(text)) == expected, "\(String(reflecting: text))")
      #expect(try tokenizer.decode(expected) == text)
    }
  }

  /// Texts of any script give the same ids in parts.
  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: ["gpt-2", "starcoder", "refact", "deepseek-coder"])
  func partsGiveTheIdsOfTheWhole(_ name: String) throws {
    let file = try GGUFFile(
      MappedFile(path: SharedData.require("tokenizer-vectors/ggml-vocab-\(name).gguf")))
    let vocabulary = try #require(try GGUFVocabulary(file.metadata, rows: 60_000))
    let tokenizer = try vocabulary.imported().stored.bytes.withUnsafeBytes {
      try TokenizerKind.load("bpe", $0)
    }
    #expect(tokenizer.allowsJoints)
    for kind in ScriptText.kinds {
      let text = Array(ScriptText.text(kind, count: 1000, seed: 5).utf8)
      var encoder = SegmentedEncoder(tokenizer, segmentBytes: 1, patienceBytes: 1)
      var ids = try text.withUnsafeBytes { try encoder.append($0) }
      ids += try encoder.finish()
      #expect(try ids == text.withUnsafeBytes { try tokenizer.encode(utf8: $0) }, "\(kind)")
    }
  }
}
