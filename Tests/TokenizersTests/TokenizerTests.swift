import Tensors
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct TokenizerTests {
  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func llama2AgreesWithPublishedVectors() throws {
    let llama = try TestModel.llama2.load()
    #expect(llama.vocabularySize == 32_000)
    #expect(llama.beginOfSequence == 1)
    #expect(llama.endOfSequence == 2)
    #expect(llama.unknown == 0)
    let folder = "tokenizer-vectors/ggml-vocab-llama-spm.gguf"
    let input = try String(
      decoding: TemporaryFolder.read(SharedData.require(folder + ".inp")), as: UTF8.self)
    let output = try String(
      decoding: TemporaryFolder.read(SharedData.require(folder + ".out")), as: UTF8.self)
    // Each text is ended by a line of its own; the line break before that line is not the text's.
    let texts = input.split(
      separator: "\n__ggml_vocab_test__\n", omittingEmptySubsequences: false
    ).dropLast()
    let lines = output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(texts.count == lines.count)
    #expect(texts.count > 40)
    for (text, line) in zip(texts, lines) {
      let expected = line.split(separator: " ").compactMap { Int32($0) }
      #expect(try llama.encode(String(text)) == expected, "\(String(reflecting: text))")
      #expect(try llama.decode(expected) == text)
    }
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func whiteSpaceIsTheFilesAffair() throws {
    let llama = try TestModel.llama2.load()
    let tok512 = try TestModel.tok512.load()
    let tok105 = try TestModel.tok105.load()
    #expect(tok512.vocabularySize == 512)
    #expect(tok105.vocabularySize == 105)
    #expect(tok512.beginOfSequence == 1)
    #expect(tok105.beginOfSequence == 1)
    for remover in [tok512, tok105] {
      #expect(try remover.encode("  Once   upon ") == remover.encode("Once upon"))
      #expect(try remover.decode(remover.encode("  Once   upon ")) == "Once upon")
      #expect(try remover.encode("   ") == [])
    }
    #expect(try llama.encode("  Once") != llama.encode("Once"))
    #expect(try llama.decode(llama.encode("  Once   upon ")) == "  Once   upon ")
    for any in [llama, tok512, tok105] { #expect(try any.encode("") == []) }
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func whatTheVocabularyLacksBecomesBytesOrUnknown() throws {
    let tok512 = try TestModel.tok512.load()
    let ids = try tok512.encode("\u{4E2D}")
    #expect(ids.compactMap(tok512.byte(of:)) == Array("\u{4E2D}".utf8))
    #expect(try tok512.decode(ids) == "\u{4E2D}")
    let tok105 = try TestModel.tok105.load()
    #expect(try tok105.encode("a\u{4E2D}\u{6587}b").filter { $0 == tok105.unknown }.count == 1)
    #expect(tok105.byte(of: 5) == nil)
  }

  @Test func aSmallModelFromItsFields() throws {
    let small = try tokenizer(ModelWriter.small())
    #expect(try small.encode("ab a c") == [9, 5, 9, 3, 6])
    #expect(small.piece(of: 9) == "▁a")
    #expect(try small.decode([1, 9, 5, 9, 2]) == "ab a")
    #expect(small.isControl(1))
    #expect(!small.isControl(9))
    let bare = try tokenizer(ModelWriter.small(begin: false))
    #expect(bare.beginOfSequence == nil)
    #expect(bare.endOfSequence == nil)
    #expect(bare.vocabularySize == 9)
  }

  @Test func idsOutsideTheVocabularyNeitherTrapNorHideTheRest() throws {
    let small = try tokenizer(ModelWriter.small())
    for id in [Int32.min, -1, 11, Int32.max] {
      #expect(small.piece(of: id) == "")
      #expect(!small.isControl(id))
      #expect(!small.isUnused(id))
      #expect(small.byte(of: id) == nil)
      #expect(try small.decode([9, id, 9]) == "a a")
    }
  }

  @Test func textThatIsNotUTF8IsAnErrorWithItsPlace() throws {
    let small = try tokenizer(ModelWriter.small())
    let cases: [([UInt8], Int)] = [
      ([0x61, 0xFF, 0x61], 1), ([0x61, 0x61, 0xE2, 0x96], 2), ([0xC0, 0x80], 0),
      ([0x61, 0xED, 0xA0, 0x80], 1),
    ]
    for (bytes, offset) in cases {
      let error = #expect(throws: TokenizerError.self) {
        try bytes.withUnsafeBytes { try small.encode(utf8: $0) }
      }
      guard case .invalidText(offset) = error else {
        Issue.record("\(bytes): \(String(describing: error))")
        continue
      }
      #expect(error?.category == .badData)
      #expect(error?.description.contains("byte \(offset) is not UTF-8") == true)
    }
    #expect(firstInvalidUTF8(.init(start: nil, count: 0)) == nil)
    #expect(try [UInt8]("ab a".utf8).withUnsafeBytes { try small.encode(utf8: $0) } == [9, 5, 9])
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func severalThreadsMayEncodeAtOnce() async throws {
    let llama = try TestModel.llama2.load()
    let texts = (0..<16).map { "Text number \($0) \u{1F999} of sixteen, read by several tasks." }
    let expected = try texts.map { try llama.encode($0) }
    let found = try await withThrowingTaskGroup(of: (Int, [Int32], String).self) { group in
      for (index, text) in texts.enumerated() {
        group.addTask {
          var last: [Int32] = []
          for _ in 0..<20 { last = try llama.encode(text) }
          return (index, last, try llama.decode(last))
        }
      }
      var result = [([Int32], String)](repeating: ([], ""), count: texts.count)
      for try await (index, ids, text) in group { result[index] = (ids, text) }
      return result
    }
    #expect(found.map(\.0) == expected)
    #expect(found.map(\.1) == texts)
  }
}
