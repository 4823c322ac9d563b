import Storage
import TestSupport
import Testing

@testable import Tokenizers

/// Tables made of stored tokenizers: the inverse of `VocabularyTable.serialized`.
@Suite struct VocabularyTableReadingTests {
  private func readBack(_ table: VocabularyTable) throws -> VocabularyTable {
    let (kind, bytes) = try table.serialized()
    return try bytes.withUnsafeBytes { try VocabularyTable(kind: kind, serialized: $0) }
  }

  /// Bytes, two merges, a control token and one that text may spell.
  private func byteLevel(_ preTokenizer: String) -> VocabularyTable {
    let bytes = (0...UInt8.max).map {
      String(decoding: ByteAlphabet.spelling(of: [$0]), as: UTF8.self)
    }
    var table = VocabularyTable(
      model: "gpt2", preTokenizer: preTokenizer,
      pieces: bytes + ["he", "Ġthe", "Ġt", "12", "<|end|>", "<user>"])
    table.types = .init(repeating: 1, count: 260) + [3, 4]
    table.merges = ["h e", "Ġ t", "Ġt he", "1 2"]
    table.endOfSequence = 260
    table.addsBeginOfSequence = false
    return table
  }

  @Test(arguments: ["llama-bpe", "qwen2", "smollm", "gpt-2"])
  func byteLevelTables(_ name: String) throws {
    let table = byteLevel(name)
    let found = try readBack(table)
    #expect(found.pieces == table.pieces && found.types == table.types)
    #expect(found.merges == table.merges && found.model == "gpt2")
    let (kind, bytes) = try table.serialized()
    let (otherKind, otherBytes) = try found.serialized()
    let text = "the 1234 <user> THE'S\n\n 12 naïve — 日本 hehe"
    #expect(kind == otherKind)
    #expect(
      try bytes.withUnsafeBytes { try TokenizerKind.load(kind, $0) }.encode(text)
        == otherBytes.withUnsafeBytes { try TokenizerKind.load(kind, $0) }.encode(text))
  }

  @Test func sentencePieceTables() throws {
    let path = SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model"
    let file = try MappedFile(path: path)
    let table = try VocabularyTable(kind: "sentencepiece", serialized: file.bytes)
    #expect(table.model == "llama" && table.pieces.count == table.scores.count)
    let again = try readBack(table)
    #expect(again == table)
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func realTokenizers() throws {
    let file = try MappedFile(path: try SharedData.require("smollm2/tokenizer.json"))
    let table = try VocabularyTable(kind: "bpe", serialized: file.bytes)
    // Hugging Face's reading of the GGUF file splits as GPT-2 did.
    #expect(table.preTokenizer == "gpt-2" && table.pieces.count == 49_152)
    #expect(table.merges.count == 48_900 && table.merges[0] == "Ġ t")
    #expect(table.types[0...16].allSatisfy { $0 == 3 } && table.types[100] == 1)
    let llama = try MappedFile(path: try SharedData.require("tokenizer-llama2/tokenizer.model"))
    let scored = try VocabularyTable(kind: "sentencepiece", serialized: llama.bytes)
    #expect(scored.pieces.count == 32_000 && scored.scores[300] == -41)
    #expect(scored.types[0...3] == [2, 3, 3, 6])
  }
}
