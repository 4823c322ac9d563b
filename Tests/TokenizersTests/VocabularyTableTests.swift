import TestSupport
import Testing

@testable import Tokenizers

/// The stored forms of vocabularies that GGUF files list.
@Suite struct VocabularyTableTests {
  private func expectRefused(
    _ table: VocabularyTable, naming words: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: TokenizerError.self, sourceLocation: sourceLocation) {
      _ = try table.serialized()
    }
    #expect(error?.category == .badData, sourceLocation: sourceLocation)
    #expect(error?.description.contains(words) == true, sourceLocation: sourceLocation)
  }

  /// Llama 2's table, taken from its model file.
  private func llama2() throws -> VocabularyTable {
    let bytes = try TestModel.llama2.bytes()
    var table = VocabularyTable(model: "llama", pieces: [])
    try bytes.withUnsafeBytes { bytes in
      var fields = ProtocolBufferReader(bytes)
      while let (number, value) = try fields.next() {
        guard number == 1, case .bytes(let message) = value else { continue }
        var piece = ProtocolBufferReader(message)
        table.scores.append(0)
        table.types.append(1)
        let last = table.types.count - 1
        while let field = try piece.next() {
          switch field {
          case (1, .bytes(let text)): table.pieces.append(String(decoding: text, as: UTF8.self))
          case (2, .fixed32(let bits)): table.scores[last] = Float(bitPattern: bits)
          case (3, .varint(let type)): table.types[last] = Int32(type)
          default: break
          }
        }
      }
    }
    (table.beginOfSequence, table.endOfSequence) = (1, 2)
    return table
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func llama2IsRebuilt() throws {
    let table = try llama2()
    let stored = try table.serialized()
    #expect(stored.kind == "sentencepiece")
    let rebuilt = try tokenizer(stored.bytes)
    let original = try TestModel.llama2.load()
    #expect(rebuilt.vocabularySize == 32_000 && rebuilt.allowsCuts)
    #expect(rebuilt.beginOfSequence == 1 && rebuilt.endOfSequence == 2 && rebuilt.unknown == 0)
    let folder = "tokenizer-vectors/ggml-vocab-llama-spm.gguf"
    let input = try TemporaryFolder.read(SharedData.require(folder + ".inp"))
    let text = String(decoding: input, as: UTF8.self)
    for part in text.split(separator: "\n__ggml_vocab_test__\n", omittingEmptySubsequences: false) {
      #expect(try rebuilt.encode(String(part)) == original.encode(String(part)))
    }
    let stress = StressText.text(parts: 3000, seed: 2)
    #expect(try rebuilt.encode(stress) == original.encode(stress))
    #expect(
      try rebuilt.decode(try rebuilt.encode(stress)) == original.decode(try original.encode(stress))
    )
  }

  @Test func piecesKeepTheirKinds() throws {
    var table = VocabularyTable(
      model: "llama", pieces: ["<unk>", "<bos>", "<eos>", "▁", "a", "b", "▁a", "##"])
    table.scores = [0, 0, 0, -1, -2, -3, -0.5, 0]
    table.types = [2, 3, 3, 1, 1, 1, 1, 4]
    (table.beginOfSequence, table.endOfSequence) = (1, 2)
    table.addsSpacePrefix = false
    let small = try tokenizer(table.serialized().bytes)
    #expect(try small.encode("a a##b") == [4, 6, 7, 5])
    #expect(small.beginOfSequence == 1 && small.endOfSequence == 2)
    #expect(small.controlID("<bos>") == 1 && small.controlID("##") == nil)
    #expect(try small.encode("<bos>").contains(1) == false)
    table.addsSpacePrefix = nil
    #expect(try tokenizer(table.serialized().bytes).encode("a") == [6])
    table.removesExtraSpaces = true
    #expect(try tokenizer(table.serialized().bytes).encode("a   a ") == [6, 6])
  }

  /// GGUF files spell spaces in pieces that text may spell as they are; SentencePiece does not.
  @Test func spacesInUserDefinedPiecesAreFound() throws {
    var table = VocabularyTable(model: "llama", pieces: ["<unk>", "▁", "a", "▁a", "  ", "   "])
    table.scores = [0, -1, -2, -0.5, 0, 0]
    table.types = [2, 1, 1, 1, 4, 4]
    table.addsSpacePrefix = false
    let small = try tokenizer(table.serialized().bytes)
    #expect(try small.encode("a  a   a a") == [2, 4, 2, 5, 2, 3])
    #expect(try small.decode([2, 4, 2, 5, 2]) == "a  a   a")
    // The way back spells them plainly again, which is what llama.cpp says.
    let (kind, bytes) = try table.serialized()
    let back = try bytes.withUnsafeBytes { try VocabularyTable(kind: kind, serialized: $0) }
    #expect(back.pieces == table.pieces)
    // A spelling that another piece has stays.
    table.pieces[5] = "▁▁"
    #expect(try tokenizer(table.serialized().bytes).vocabularySize == 6)
  }

  @Test func whatCanNotBeTakenIsRefusedByName() throws {
    expectRefused(.init(model: "t5", pieces: ["a"]), naming: "'t5'")
    expectRefused(.init(model: "gpt2", pieces: []), naming: "tokens")
    expectRefused(.init(model: "gpt2", preTokenizer: "falcon", pieces: ["a"]), naming: "'falcon'")
    var table = VocabularyTable(model: "llama", pieces: ["<unk>", "a"])
    expectRefused(table, naming: "scores")
    (table.scores, table.types) = ([0, .nan], [2, 1])
    expectRefused(table, naming: "piece 1")
    (table.scores, table.types) = ([0, 0], [1, 1])
    expectRefused(table, naming: "unknown piece")
    (table.scores, table.types) = ([0, 0], [2, 9])
    expectRefused(table, naming: "type 9")
    table.types = [2, 1]
    table.beginOfSequence = 2
    expectRefused(table, naming: "bos_token_id")
    table = VocabularyTable(model: "gpt2", pieces: ["a", "b"])
    table.types = [1]
    expectRefused(table, naming: "token_type")
  }

  @Test func byteLevelTablesKeepTheirPolicy() throws {
    var table = VocabularyTable(
      model: "gpt2", preTokenizer: "llama-bpe", pieces: ["a", "<s>", "~", "aa"])
    table.types = [1, 3, 4, 1]
    expectRefused(table, naming: "merges")
    table.merges = ["a a"]
    table.beginOfSequence = 1
    func load() throws -> BytePairTokenizer {
      try table.serialized().bytes.withUnsafeBytes { try BytePairTokenizer(serialized: $0) }
    }
    #expect(try load().beginOfSequence == 1)
    #expect(try load().isControl(1) && !load().isControl(2))
    #expect(try load().encode("a~aa") == [0, 2, 3])
    table.addsBeginOfSequence = false
    #expect(try load().beginOfSequence == nil)
    table.preTokenizer = "gpt-2"
    table.addsBeginOfSequence = nil
    #expect(try load().beginOfSequence == nil)
    table.addsEndOfSequence = true
    table.endOfSequence = 1
    #expect(try load().endOfSequence == 1)
  }
}
