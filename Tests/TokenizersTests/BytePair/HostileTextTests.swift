import Storage
import TestSupport
import Testing

@testable import Tokenizers

/// Texts and tokenizers whose work could be far more than a multiple of the text's length.
@Suite struct HostileTextTests {
  private func tokenizer(
    _ change: (inout BytePairFixture) -> Void
  ) throws -> any Tokenizer {
    var fixture = BytePairFixture.byteLevel()
    change(&fixture)
    return try BytePairFixture.load(fixture.json.encoded())
  }

  private func splitting(_ pattern: String) throws -> any Tokenizer {
    try tokenizer {
      $0.members["pre_tokenizer"] = [
        "type": "Sequence",
        "pretokenizers": [
          ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated"],
          ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
        ],
      ]
    }
  }

  /// Every match stays under any limit for a single one; all together don't.
  @Test func patternsThatTakeTooManyStepsAreRefused() throws {
    let tokenizer = try splitting("(?:(?:a{1,9}){1,7}b)|.")
    let error = #expect(throws: TokenizerError.self) {
      try tokenizer.encode(String(repeating: "a", count: 20_000))
    }
    #expect(error?.description.contains("gave up") == true)
    #expect(error?.category == .badData)
  }

  /// White space without a line break, which the patterns of Llama 3 and Qwen read to its end and
  /// back, is no such case.
  @Test func longRunsOfWhiteSpacePass() throws {
    let tokenizer = try splitting(#"\s*[\r\n]+|\s+(?!\S)|\s+|\S+"#)
    let run = String(repeating: " ", count: 300_000)
    let ids = try tokenizer.encode("a" + run + "b")
    #expect(try tokenizer.decode(ids) == "a" + run + "b")
    let runs = String(repeating: String(repeating: " ", count: 5000) + "a", count: 60)
    #expect(try tokenizer.decode(try tokenizer.encode(runs)) == runs)
  }

  @Test func longAddedTokensAreRefused() {
    let error = #expect(throws: TokenizerError.self) {
      try tokenizer { $0.add(String(repeating: "a", count: 257), special: false) }
    }
    #expect(error?.description.contains("257 bytes") == true)
  }

  /// Half a million marks on one letter, above and below it in turn: composed in order, at once.
  @Test func longRunsOfMarksAreComposed() throws {
    let composing = try tokenizer { $0.members["normalizer"] = ["type": "NFC"] }
    let marks = String(repeating: "\u{301}\u{323}", count: 250_000)
    let text = try composing.decode(try composing.encode("a" + marks)).unicodeScalars
    // á with all dots below: the dots come first, and the first accent joins no letter behind them.
    #expect(text.count == 500_000 && text.first == "\u{1EA1}")
    #expect(text.dropFirst().prefix(249_999).allSatisfy { $0 == "\u{323}" })
    let short = "a\u{301}\u{323}\u{301}"
    #expect(
      try Array(composing.decode(try composing.encode(short)).unicodeScalars) == [
        "ạ", "\u{301}", "\u{301}",
      ])
  }
}
