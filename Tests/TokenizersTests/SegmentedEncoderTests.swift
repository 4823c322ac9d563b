import Tensors
import TestSupport
import Testing
import Tokenizers

@Suite struct SegmentedEncoderTests {
  /// The ids of `text` handed over in chunks of `chunk` bytes.
  private func segmented(
    _ tokenizer: any Tokenizer, _ text: [UInt8], segment: Int, chunk: Int
  ) throws -> [Int32] {
    var encoder = SegmentedEncoder(tokenizer, segmentBytes: segment)
    var ids: [Int32] = []
    for start in stride(from: 0, to: text.count, by: chunk) {
      try text[start..<min(start + chunk, text.count)].withUnsafeBytes {
        ids += try encoder.append($0)
      }
    }
    return try ids + encoder.finish()
  }

  private func whole(_ tokenizer: any Tokenizer, _ text: [UInt8]) throws -> [Int32] {
    try text.withUnsafeBytes { try tokenizer.encode(utf8: $0) }
  }

  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: TestModel.allCases)
  func segmentsOfRealTextGiveTheIdsOfTheWhole(_ model: TestModel) throws {
    let tokenizer = try model.load()
    #expect(tokenizer.allowsCuts)
    for name in ["tinyshakespeare", "moby_dick", "wikitext2_valid", "tinystories"] {
      let file = try TemporaryFolder.read(SharedData.require("text/\(name).txt"))
      // 15 kB from the middle, from the start of a line, so that it is UTF-8.
      let middle = file[(file.count / 2)...].drop { $0 != 10 }
      var text = Array(middle.prefix(15_000))
      while firstInvalid(text) != nil { text.removeLast() }
      let expected = try whole(tokenizer, text)
      for (segment, chunk) in [(1, 7), (10, 1000), (64, 64), (1000, 20_000)] {
        let found = try segmented(tokenizer, text, segment: segment, chunk: chunk)
        #expect(found == expected, "\(name), segments of \(segment), chunks of \(chunk)")
      }
    }
  }

  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: TestModel.allCases)
  func segmentsOfHostileTextGiveTheIdsOfTheWhole(_ model: TestModel) throws {
    let tokenizer = try model.load()
    var random = RandomSource(seed: 3)
    let parts = [
      " ", "  ", "a", "b", "the", "\n", "\t", "▁", "é", "\u{301}", "中", "\u{1F999}", ".", "x y",
      " \u{A0}", "</s>", "<s>", "\u{0}", "\u{3000}", "ﬁ", "Z",
    ]
    for _ in 0..<150 {
      let text = (0..<30).map { _ in parts[random.integer(below: parts.count)] }.joined()
      let found = try segmented(tokenizer, Array(text.utf8), segment: 1, chunk: 3)
      #expect(try found == tokenizer.encode(text), "\(String(reflecting: text))")
    }
  }

  @Test func longTextIsEncodedBeforeItsEnd() throws {
    let small = try tokenizer(ModelWriter.small())
    var encoder = SegmentedEncoder(small, segmentBytes: 4)
    let early = try Array("ab ab ab".utf8).withUnsafeBytes { try encoder.append($0) }
    #expect(early == [9, 5, 9, 5])
    #expect(try encoder.finish() == [9, 5])
    // The encoder is as new.
    #expect(try encoder.finish() == [])
    #expect(try Array("c".utf8).withUnsafeBytes { try encoder.append($0) } == [])
    #expect(try encoder.finish() == [3, 6])
  }

  @Test func errorsCountFromTheTextsStart() throws {
    let small = try tokenizer(ModelWriter.small())
    let text = Array("ab ab ab a".utf8) + [0xFF]
    let error = #expect(throws: TokenizerError.self) {
      _ = try segmented(small, text, segment: 2, chunk: 3)
    }
    guard case .invalidText(offset: 10) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// Models whose pieces, rules or flags tie a word to what stands before it.
  static let tiedModels: [String: [UInt8]] = [
    "unigram": ModelWriter.small(algorithm: 1),
    "word": ModelWriter.small(algorithm: 3),
    "a piece over a space": ModelWriter.small(pieces: [("b▁", .normal), ("b▁a", .normal)]),
    "a symbol over a space": ModelWriter.small(pieces: [("b▁a", .userDefined)]),
    "a symbol with a raw space": ModelWriter.small(pieces: [("b a", .userDefined)]),
    "unused pieces": ModelWriter.small(pieces: [("abc", .unused)]),
    "spaces lost": ModelWriter.small(dummyPrefix: false),
    "a rule over a space": ModelWriter.small(charsmap: ModelWriter.charsmap("b a", "c")),
    "a rule that drops a letter": ModelWriter.small(charsmap: ModelWriter.charsmap("b", "")),
    "a rule that makes a space": ModelWriter.small(charsmap: ModelWriter.charsmap("b", "c d")),
    "a rule for the space": ModelWriter.small(charsmap: ModelWriter.charsmap(" ", "c")),
  ]

  @Test(arguments: tiedModels.keys.sorted())
  func tiedModelsEncodeTextWhole(_ name: String) throws {
    let tied = try tokenizer(try #require(Self.tiedModels[name]))
    #expect(!tied.allowsCuts)
    let text = "ab ab abc ab cb a"
    #expect(
      try segmented(tied, Array(text.utf8), segment: 1, chunk: 2) == tied.encode(text))
  }

  @Test func freeModelsAreCutInEveryVariant() throws {
    var random = RandomSource(seed: 11)
    let variants = [
      ModelWriter.small(), ModelWriter.small(algorithm: 4),
      ModelWriter.small(removeExtraSpaces: false),
      ModelWriter.small(dummyPrefix: false, removeExtraSpaces: false),
      ModelWriter.small(pieces: [("▁▁", .normal), ("▁b", .userDefined)]),
      ModelWriter.small(charsmap: ModelWriter.charsmap("bc", "é")),
    ]
    for bytes in variants {
      let free = try tokenizer(bytes)
      #expect(free.allowsCuts)
      for _ in 0..<200 {
        let text = (0..<20).map { _ in ["a", "b", "c", " ", "z"][random.integer(below: 5)] }
        let found = try segmented(free, Array(text.joined().utf8), segment: 1, chunk: 5)
        #expect(try found == free.encode(text.joined()), "\(text.joined())")
      }
    }
  }

  private func firstInvalid(_ text: [UInt8]) -> Int? {
    text.withUnsafeBytes { firstInvalidUTF8($0) }
  }
}
