import Storage
import Tensors
import TestSupport
import Testing

@testable import Tokenizers

/// Files that are damaged, hostile, or ask for what is not supported.
@Suite struct BytePairDamageTests {
  private func expectRefused(
    _ text: String, naming words: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: TokenizerError.self, sourceLocation: sourceLocation) {
      _ = try BytePairFixture.load(text)
    }
    #expect(error?.category == .badData, sourceLocation: sourceLocation)
    #expect(
      error?.description.contains(words) == true, "\(error?.description ?? "accepted")",
      sourceLocation: sourceLocation)
  }

  private func expectRefused(
    naming words: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout BytePairFixture) -> Void
  ) {
    var fixture = BytePairFixture.byteLevel()
    change(&fixture)
    expectRefused(fixture.json.encoded(), naming: words, sourceLocation: sourceLocation)
  }

  static let components: [(member: String, value: JSONValue, name: String)] = [
    ("normalizer", ["type": "NFKC"], "'NFKC'"),
    ("normalizer", ["type": "Precompiled", "precompiled_charsmap": "AA=="], "'Precompiled'"),
    ("normalizer", ["type": "Sequence", "normalizers": [["type": "Lowercase"]]], "'Lowercase'"),
    ("normalizer", ["type": "Replace", "pattern": ["Regex": " +"], "content": ""], "pattern"),
    ("normalizer", ["type": "Prepend", "prepend": ""], "normalizer.prepend"),
    ("normalizer", 3, "normalizer.type"),
    (
      "normalizer",
      [
        "type": "Sequence",
        "normalizers": [
          ["type": "Replace", "pattern": ["String": "a"], "content": "aaaaa"],
          ["type": "Replace", "pattern": ["String": "a"], "content": "aaaa"],
        ],
      ], "20 times"
    ),
    ("pre_tokenizer", ["type": "BertPreTokenizer"], "'BertPreTokenizer'"),
    ("pre_tokenizer", ["type": "Split", "pattern": ["Regex": "(a"], "behavior": "Isolated"], "(a"),
    (
      "pre_tokenizer",
      ["type": "Split", "pattern": ["Regex": "a*"], "behavior": "Isolated"], "between characters"
    ),
    (
      "pre_tokenizer", ["type": "Split", "pattern": ["Regex": "a"], "behavior": "Odd"], "'Odd'"
    ),
    (
      "pre_tokenizer",
      [
        "type": "Sequence",
        "pretokenizers": [["type": "ByteLevel"], ["type": "Digits"]],
      ], "'Digits' behind ByteLevel"
    ),
    ("post_processor", ["type": "BertProcessing"], "'BertProcessing'"),
    (
      "post_processor",
      ["type": "TemplateProcessing", "single": [["SpecialToken": ["id": "<none>"]]]], "<none>"
    ),
    ("decoder", ["type": "WordPiece"], "'WordPiece'"),
    ("decoder", ["type": "ByteFallback"], "decoder"),
    ("unheard_of", 1, "unheard_of"),
  ]

  @Test(arguments: components.indices)
  func unknownComponentsAreRefusedByName(_ index: Int) {
    let component = Self.components[index]
    expectRefused(naming: component.name) { $0.members[component.member] = component.value }
  }

  @Test func unknownModelsAreRefusedByName() {
    for type in ["Unigram", "WordPiece", "WordLevel"] {
      expectRefused(naming: "'\(type)'") { $0.model["type"] = .string(type) }
    }
    expectRefused(naming: "dropout") { $0.model["dropout"] = 0.1 }
    expectRefused(naming: "continuing_subword_prefix") {
      $0.model["continuing_subword_prefix"] = "##"
    }
    expectRefused(naming: "unk_token") { $0.model["unk_token"] = "<unheard>" }
  }

  @Test func nonsenseInTheVocabularyIsAnError() {
    let whole = BytePairFixture.byteLevel().json.encoded()
    expectRefused(whole.replacing("\"the\":257", with: "\"the\":256"), naming: "another piece has")
    expectRefused(whole.replacing("\"the\":257", with: "\"th\":257"), naming: "spelling twice")
    for id in ["-1", "1.5", "2147483648", "99999999999999999999", "\"1\"", "null", "1000000"] {
      expectRefused(whole.replacing("\"the\":257", with: "\"the\":\(id)"), naming: "tokenizer.json")
    }
    expectRefused(naming: "merges[9]") { $0.merges.append("the zebra") }
    expectRefused(naming: "merges[9]") { $0.merges.append("the") }
    expectRefused(naming: "merges[9]") { $0.merges.append("t h e") }
    expectRefused(naming: "merges[9]") { $0.merges.append(["t", "h", "e"]) }
    expectRefused(naming: "merges[9]") { $0.merges.append(["", "h"]) }
    expectRefused(naming: "a string") { $0.merges.append(7) }
    expectRefused(naming: "added_tokens[1].id") { $0.added.append($0.added[0]) }
    expectRefused(naming: "added_tokens[1]") { $0.added.append(["id": 5, "content": "x"]) }
    expectRefused(naming: "content") { $0.added.append(["id": 266, "content": ""]) }
    expectRefused(naming: "special") {
      $0.added.append(["id": 266, "content": "x", "special": "yes"])
    }
  }

  /// A piece made of pieces that are made of it: merging still shortens the word each time.
  @Test func cyclicMergesEnd() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.added = []
    fixture.pieces += ["xy", "yx", "xyx"]
    fixture.merges += ["x y", "y x", "xy x", "x yx", "x y", "xy x"]
    let tokenizer = try fixture.load()
    #expect(try tokenizer.encode(String(repeating: "xy", count: 500)).count < 1000)
  }

  @Test func brokenDocumentsAreErrors() throws {
    let deep = String(repeating: "[", count: 100_000)
    for text in [
      "", "{", "[]", "{}", "{\"model\":{}}", "{\"model\":[]}", "{\"model\":{\"vocab\":{}}}", deep,
      "{\"model\":\(deep)", "{\"x\":\(deep)", "{\"model\":{\"type\":\"BPE\",\"vocab\":\(deep)",
      "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "{\"normalizer\":\(deep)",
      "{\"model\":{\"type\":\"BPE\",\"merges\":\(deep)", "\u{FEFF}{}",
      "{\"model\":{},\"model\":{}}",
    ] {
      expectRefused(text, naming: "tokenizer.json")
      #expect(
        Array(text.utf8).withUnsafeBytes { BytePairTokenizer.vocabularySize(of: $0) } ?? 0 == 0)
    }
    let bytes = Array(BytePairFixture.byteLevel().json.encoded().utf8)
    for count in stride(from: 0, to: bytes.count, by: 97) {
      #expect(throws: TokenizerError.self) {
        try bytes[..<count].withUnsafeBytes { try BytePairTokenizer(serialized: $0) }
      }
    }
    var random = RandomSource(seed: 8)
    for _ in 0..<300 {
      var damaged = bytes
      damaged[random.integer(below: bytes.count)] ^= 1 << UInt8(random.integer(below: 8))
      // Some flips leave a valid file; none may crash.
      _ = damaged.withUnsafeBytes { BytePairTokenizer.vocabularySize(of: $0) }
      let tokenizer = try? damaged.withUnsafeBytes { try BytePairTokenizer(serialized: $0) }
      _ = try? tokenizer?.encode("the ab 12\n\né<|end|>")
      _ = try tokenizer?.decode([0, 97, 258, 265, 266])
    }
  }

  @Test func aPatternThatNeverEndsIsGivenUp() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.members["pre_tokenizer"] = [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "Split", "pattern": ["Regex": "(a+)+$|b"], "behavior": "Isolated"],
        ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
      ],
    ]
    let tokenizer = try fixture.load()
    #expect(!tokenizer.allowsCuts)
    let error = #expect(throws: TokenizerError.self) {
      try tokenizer.encode(String(repeating: "a", count: 60) + "!")
    }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("(a+)+$|b") == true)
    #expect(try tokenizer.encode("ab").count == 2)
  }

  @Test func patternsAreSpelledForPCRE2() throws {
    let space = "\\p{Z}\\x09-\\x0D\\x{85}"
    let spelled = [
      #"\s+(?!\S)"#: "[\(space)]+(?![^\(space)])", #"[^\s\p{L}]"#: "[^\(space)\\p{L}]",
      #"[\p{Han}-]\p{^Lu}"#: #"[\p{sc:Han}\-]\P{Lu}"#, #"\d{1,3}a{,2}{"#: #"\p{Nd}{1,3}a{0,2}\{"#,
      #"(?i:'s)|\x20\x{4e00}\u3042"#: #"(?i:'s)|\x{20}\x{4e00}\x{3042}"#,
      #"[!-\/\[\]^_]++"#: #"[!-\/\[\]^_]++"#,
    ]
    for (source, text) in spelled {
      #expect(try PatternTranslation(source).text == text)
      _ = try SplitPattern(source.replacing("{,2}", with: ""))
    }
    for source in [
      #"\w"#, #"\b"#, #"\h"#, #"\1"#, "(?m:a)", "(*LIMIT_MATCH=1)a", "(?<n>a)", "[a[b]]", "[a&&b]",
      "[[:alpha:]]", "a{2}+", #"[\S]"#, #"\xFF"#, #"\x{110000}"#, #"\u12"#, "[", "[]a]", "\\",
      #"\p"#, #"\p{"#, #"\p{L&}"#, #"\K"#, "(?",
    ] {
      #expect(throws: TokenizerError.self, "\(source)") { try PatternTranslation(source) }
    }
  }
}
