import Storage
import Tensors
import TestSupport
import Testing

@testable import Tokenizers

/// Encoding the parts of a text gives the ids of the whole wherever a tokenizer says so.
@Suite struct BytePairCutTests {
  private func expectSegmentsAlike(
    _ tokenizer: BytePairTokenizer, seed: UInt64, texts: Int = 60,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var random = RandomSource(seed: seed)
    let parts = StressText.parts + ["a the", " b", "the a", "Z z", "c ab", "## a"]
    for _ in 0..<texts {
      let text = (0..<24).map { _ in parts[random.integer(below: parts.count)] }.joined()
      var encoder = SegmentedEncoder(tokenizer, segmentBytes: 1)
      var ids = try Array(text.utf8).withUnsafeBytes { try encoder.append($0) }
      ids += try encoder.finish()
      #expect(
        try ids == tokenizer.encode(text), "\(String(reflecting: text))",
        sourceLocation: sourceLocation)
    }
  }

  /// Every way of splitting that GGUF files name.
  @Test(arguments: ByteLevelSplits.all.keys.sorted())
  func everyNamedSplitMayBeCut(_ name: String) throws {
    var table = VocabularyTable(
      model: "gpt2", preTokenizer: name, pieces: BytePairFixture.byteLevel().pieces)
    table.merges = BytePairFixture.byteLevel().merges.compactMap(\.string)
    let stored = try table.serialized()
    #expect(stored.kind == "bpe")
    let tokenizer = try stored.bytes.withUnsafeBytes { try BytePairTokenizer(serialized: $0) }
    #expect(tokenizer.allowsCuts)
    try expectSegmentsAlike(tokenizer, seed: 1)
  }

  @Test func spelledSpacesMayBeCut() throws {
    for prepends in [true, false] {
      let tokenizer = try BytePairFixture.spaced(prepends: prepends).load()
      #expect(tokenizer.allowsCuts)
      try expectSegmentsAlike(tokenizer, seed: 2)
    }
    for (prefix, split) in [("always", true), ("always", false), ("first", true), ("never", false)]
    {
      var fixture = BytePairFixture.spaced()
      fixture.members["normalizer"] = .null
      fixture.members["pre_tokenizer"] = [
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": .string(prefix),
        "split": .bool(split),
      ]
      fixture.add("##", before: true, after: true, normalized: true)
      fixture.add("##x")
      fixture.add("b#", word: true)
      let tokenizer = try fixture.load()
      #expect(tokenizer.allowsCuts)
      try expectSegmentsAlike(tokenizer, seed: 3)
    }
  }

  @Test func addedTokensNearCutsForbidThem() throws {
    func allows(
      _ base: BytePairFixture, _ change: (inout BytePairFixture) -> Void
    ) throws -> Bool {
      var fixture = base
      change(&fixture)
      let tokenizer = try fixture.load()
      try expectSegmentsAlike(tokenizer, seed: 4, texts: 20)
      return tokenizer.allowsCuts
    }
    let bytes = BytePairFixture.byteLevel()
    #expect(try allows(bytes) { $0.add("##", before: true, after: true) })
    #expect(try allows(bytes) { $0.add("abc", before: true) })
    #expect(try !allows(bytes) { $0.add("a the") })
    #expect(try !allows(bytes) { $0.add("a ") })
    #expect(try !allows(bytes) { $0.add("a b", special: true) })
    #expect(try !allows(bytes) { $0.add("abc", after: true) })
    #expect(try !allows(bytes) { $0.add(" a", word: true) })
    let spaced = BytePairFixture.spaced()
    #expect(try !allows(spaced) { $0.add("abc") })
    #expect(try !allows(spaced) { $0.add("a▁b", normalized: true) })
    #expect(try !allows(spaced) { $0.add("bc", word: true, normalized: true) })
    #expect(try allows(spaced) { $0.add("abc", normalized: true) })
  }

  @Test func whatJoinsWordsForbidsCuts() throws {
    var fixture = BytePairFixture.spaced()
    fixture.added = []
    fixture.pieces += ["b▁"]
    fixture.merges += ["b ▁"]
    #expect(try !fixture.load().allowsCuts)
    #expect(try fixture.load().pieces("ab b a") == ["▁a", "b▁", "b", "▁a"])
    var unsplit = BytePairFixture.byteLevel()
    unsplit.members["pre_tokenizer"] = [
      "type": "ByteLevel", "add_prefix_space": false, "use_regex": false,
    ]
    #expect(try !unsplit.load().allowsCuts)
    try expectSegmentsAlike(unsplit.load(), seed: 5, texts: 10)
    var prefixed = BytePairFixture.byteLevel()
    prefixed.members["pre_tokenizer"] = ["type": "ByteLevel", "add_prefix_space": true]
    #expect(try prefixed.load().pieces("the") == ["Ġthe"])
    #expect(try prefixed.load().allowsCuts)
    try expectSegmentsAlike(prefixed.load(), seed: 6, texts: 20)
  }
}
