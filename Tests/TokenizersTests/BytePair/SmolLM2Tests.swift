import Storage
import TestSupport
import Testing
import Tokenizers

/// SmolLM2's tokenizer.json against Hugging Face's `tokenizers`; figures by
/// `docs/tokenizer-study.py --figures`.
@Suite struct SmolLM2Tests {
  private static let figures: [(name: String, count: Int, hash: String)] = [
    ("moby_dick", 16398, "8da6a59ca110eff3"),
    ("pride_and_prejudice", 15407, "1d50aa6306778a80"),
    ("tinyshakespeare", 18302, "252268c66edb6ae2"),
    ("tinystories", 15065, "6015f7231f542b1c"),
    ("wikitext2_valid", 15485, "5e5b837f36f60a29"),
    ("parts", 39354, "f32e50d1c465fd05"),
  ]

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func idsAreThoseOfHuggingFace() throws {
    let file = try TemporaryFolder.read(SharedData.require("smollm2/tokenizer.json"))
    let found = file.withUnsafeBytes { TokenizerKind.recognise($0) }
    #expect(found?.kind == "bpe" && found?.vocabularySize == 49_152)
    let tokenizer = try file.withUnsafeBytes { try TokenizerKind.load("bpe", $0) }
    #expect(tokenizer.controlID("<|im_end|>") == 2)
    for figure in Self.figures {
      let ids = try tokenizer.encode(text(figure.name))
      #expect(ids.count == figure.count)
      let bytes = ids.flatMap { id in withUnsafeBytes(of: id.littleEndian) { Array($0) } }
      let hash = ContentHash.hexadecimal(ContentHash.digest(bytes)[...])
      #expect(hash.hasPrefix(figure.hash), "\(figure.name)")
    }
  }

  /// The first 60,000 bytes of a text, without a character that is cut.
  private func text(_ name: String) throws -> String {
    guard name != "parts" else { return StressText.text(parts: 20_000, seed: 1) }
    let file = try TemporaryFolder.read(SharedData.require("text/\(name).txt"))
    var bytes = file.prefix(60_000)
    while String(validating: bytes, as: UTF8.self) == nil { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
