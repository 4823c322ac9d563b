import Storage
import Tensors
import TestSupport
import Testing

@testable import Tokenizers

/// Texts without spaces between letters are cut too, and the parts give the ids of the whole.
@Suite struct JointTests {
  /// A tokenizer of the shared test data.
  enum Source: String, CaseIterable {
    case llama2 = "tokenizer-llama2/tokenizer.model"
    case tok512 = "stories260K/tok512.model"
    case tok105 = "babyllama-tok105/tok105.model"
    case smolLM2 = "smollm2/tokenizer.json"
  }

  /// The ids of a text, searched for places of any kind from the first byte on, and the number of
  /// cuts.
  private func parts(_ tokenizer: any Tokenizer, _ text: [UInt8]) throws -> (ids: [Int32], Int) {
    var encoder = SegmentedEncoder(tokenizer, segmentBytes: 1, patienceBytes: 1)
    var (ids, cuts) = ([Int32](), 0)
    for start in stride(from: 0, to: text.count, by: 5) {
      let part = try text[start..<min(start + 5, text.count)].withUnsafeBytes {
        try encoder.append($0)
      }
      if !part.isEmpty { cuts += 1 }
      ids += part
    }
    return (try ids + encoder.finish(), cuts)
  }

  private func load(_ source: Source) throws -> any Tokenizer {
    let bytes = try TemporaryFolder.read(SharedData.require(source.rawValue))
    if source.rawValue.hasSuffix(".model") { return try tokenizer(bytes) }
    return try bytes.withUnsafeBytes { try BytePairTokenizer(serialized: $0) }
  }

  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: Source.allCases, ScriptText.kinds)
  func partsGiveTheIdsOfTheWhole(_ source: Source, _ kind: String) throws {
    let tokenizer = try load(source)
    #expect(tokenizer.allowsJoints)
    for seed in 0..<UInt64(4) {
      let text = Array(ScriptText.text(kind, count: 400, seed: seed).utf8)
      let whole = try text.withUnsafeBytes { try tokenizer.encode(utf8: $0) }
      #expect(try parts(tokenizer, text).ids == whole, "seed \(seed)")
    }
  }

  /// Every named way of splitting, with merges inside words of other scripts.
  @Test(arguments: ByteLevelSplits.all.keys.sorted(), ScriptText.kinds)
  func everyNamedSplitHasThem(_ name: String, _ kind: String) throws {
    var fixture = BytePairFixture.byteLevel()
    for text in ["中文", "по", "ст", "一的", "ああ", "00", "12", "{\"", "\":", "ab", "가이"] {
      Self.add(text, to: &fixture)
    }
    var table = VocabularyTable(model: "gpt2", preTokenizer: name, pieces: fixture.pieces)
    table.merges = fixture.merges.compactMap(\.string)
    let tokenizer = try table.serialized().bytes.withUnsafeBytes {
      try BytePairTokenizer(serialized: $0)
    }
    #expect(tokenizer.allowsJoints)
    for seed in 0..<UInt64(2) {
      let text = Array(ScriptText.text(kind, count: 200, seed: seed).utf8)
      let whole = try text.withUnsafeBytes { try tokenizer.encode(utf8: $0) }
      #expect(try parts(tokenizer, text).ids == whole, "seed \(seed)")
    }
  }

  /// A real vocabulary with other models' ways of splitting.
  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: ["gpt-2", "llama-bpe", "gpt-4o", "deepseek-v3"])
  func aRealVocabularySplitInEveryWay(_ name: String) throws {
    let bytes = try TemporaryFolder.read(SharedData.require(Source.smolLM2.rawValue))
    var table = try bytes.withUnsafeBytes { try VocabularyTable(kind: "bpe", serialized: $0) }
    table.preTokenizer = name
    let tokenizer = try table.serialized().bytes.withUnsafeBytes {
      try BytePairTokenizer(serialized: $0)
    }
    #expect(tokenizer.allowsJoints)
    for kind in ScriptText.kinds {
      let text = Array(ScriptText.text(kind, count: 1000, seed: 9).utf8)
      let whole = try text.withUnsafeBytes { try tokenizer.encode(utf8: $0) }
      #expect(try parts(tokenizer, text).ids == whole, "\(kind)")
    }
  }

  /// Adds a text as a piece, made of its bytes from left to right.
  private static func add(_ text: String, to fixture: inout BytePairFixture) {
    let spelled = text.utf8.map(BytePairFixture.spelling)
    var piece = spelled[0]
    for next in spelled.dropFirst() {
      let joined = piece + next
      if !fixture.pieces.contains(joined) {
        fixture.merges.append(.string("\(piece) \(next)"))
        fixture.pieces.append(joined)
      }
      piece = joined
    }
  }

  @Test func spelledSpacesHaveThemToo() throws {
    for prepends in [true, false] {
      var fixture = BytePairFixture.spaced(prepends: prepends)
      fixture.pieces += ["中", "文", "中文", "д", "о", "до"]
      fixture.merges += ["中 文", "д о"]
      fixture.add("##", before: true, after: true, normalized: true)
      fixture.add("文x", word: true)
      let tokenizer = try fixture.load()
      #expect(tokenizer.allowsJoints)
      var random = RandomSource(seed: 8)
      let letters = ["中", "文", "д", "о", "a", "b", "the", " ", "##", "9", "x", "▁", "é", "\n"]
      for _ in 0..<300 {
        let text = (0..<20).map { _ in letters[random.integer(below: letters.count)] }.joined()
        #expect(
          try parts(tokenizer, Array(text.utf8)).ids == tokenizer.encode(text),
          "\(String(reflecting: text))")
      }
    }
  }

  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: [Source.llama2, .smolLM2],
    [
      "Russian", "Russian without spaces", "Chinese", "Chinese with punctuation", "JSON", "base64",
    ])
  func longTextsAreCutSoon(_ source: Source, _ kind: String) throws {
    let tokenizer = try load(source)
    let text = Array(ScriptText.text(kind, count: 20_000, seed: 1).utf8)
    var encoder = SegmentedEncoder(tokenizer)
    let early = try text.withUnsafeBytes { try encoder.append($0) }
    let late = try encoder.finish()
    #expect(late.count < 9000 && !early.isEmpty, "\(late.count) ids at the end")
    #expect(try early + late == text.withUnsafeBytes { try tokenizer.encode(utf8: $0) })
  }

  @Test func whatHasNoPlaceIsCutAtTheBound() throws {
    let small = try tokenizer(ModelWriter.small(pieces: [("aa", .normal)]))
    func pieces(_ text: String) throws -> Int {
      var encoder = SegmentedEncoder(small, longestBytes: 5000)
      var ids = try Array(text.utf8).withUnsafeBytes { try encoder.append($0) }
      #expect(!ids.isEmpty)
      ids += try encoder.finish()
      #expect(try small.decode(ids) == text)
      return ids.count
    }
    // 5000 letters at a time, the first of them with a space of its own ("▁a").
    #expect(try pieces(String(repeating: "a", count: 20_000)) <= 10_004)
    // Behind a line feed where there is one.
    let lines = String(repeating: "a", count: 4500) + "\n" + String(repeating: "a", count: 4500)
    let text = Array(lines.utf8)
    let place = text.withUnsafeBufferPointer { UnprovenCut.place(in: $0, from: 0, before: 5000) }
    #expect(place == 4501)
  }

  @Test func digitsAreCutBetweenGroupsOfThree() {
    let digits = Array(("x" + String(repeating: "7", count: 100) + "中").utf8)
    digits.withUnsafeBufferPointer { text in
      for end in 20..<101 {
        #expect((UnprovenCut.place(in: text, from: 0, before: end) - 1) % 3 == 0)
      }
      // Between characters, never inside one.
      #expect(UnprovenCut.place(in: text, from: 0, before: 103) == 101)
    }
  }

  /// Where no rule reaches over a place, nor changes a character beside it.
  @Test(arguments: [
    ("bc", "é"), ("a", "b"), ("ab", "ba"), ("b", ""), ("cb", " "), ("aba", "c"), ("中", "ab"),
    ("文中", "a"), ("z", "▁"),
  ])
  func rulesLeavePlaces(_ key: String, _ replacement: String) throws {
    let rules = ModelWriter.charsmap(key, replacement)
    var random = RandomSource(seed: 5)
    var cuts = 0
    for bytes in [
      ModelWriter.small(charsmap: rules), ModelWriter.small(algorithm: 4, charsmap: rules),
      ModelWriter.small(pieces: [("ba", .userDefined)], charsmap: rules, removeExtraSpaces: false),
      ModelWriter.small(pieces: [("bcé", .normal), ("bc", .normal)], charsmap: rules),
    ] {
      let ruled = try tokenizer(bytes)
      #expect(ruled.allowsJoints)
      for _ in 0..<300 {
        let signs = ["a", "b", "c", "a", "b", "c", " ", "z", "中", "文", "é", "d"]
        let text = (0..<24).map { _ in signs[random.integer(below: signs.count)] }.joined()
        let (ids, count) = try parts(ruled, Array(text.utf8))
        #expect(try ids == ruled.encode(text), "\(key) → \(replacement): \(text)")
        cuts += count
      }
    }
    #expect(cuts > 1200)
  }

  @Test(arguments: SegmentedEncoderTests.tiedModels.keys.sorted())
  func tiedModelsHaveOnlyTheirOwnPlaces(_ name: String) throws {
    let tied = try tokenizer(try #require(SegmentedEncoderTests.tiedModels[name]))
    let mayBeCut = [
      "a piece over a space", "a symbol over a space", "a symbol with a raw space",
      "spaces lost", "a rule over a space", "a rule that drops a letter",
      "a rule that makes a space", "a rule for the space",
    ]
    #expect(tied.allowsJoints == mayBeCut.contains(name))
    var random = RandomSource(seed: 12)
    for _ in 0..<200 {
      let text = (0..<20).map { _ in ["a", "b", "c", " ", "z"][random.integer(below: 5)] }.joined()
      #expect(try parts(tied, Array(text.utf8)).ids == tied.encode(text), "\(text)")
    }
  }
}
