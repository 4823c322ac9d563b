import Checkpoints
import Tokenizers

/// Compares the tokenizer of an exported model, read back, with the model's own.
struct TokenizerComparison {
  /// What differs, in words; empty if nothing does.
  private(set) var differences: [String] = []

  /// - Parameters:
  ///   - texts: are encoded by both, and their ids decoded.
  ///   - ids: are decoded by both.
  /// - Throws: what loading a tokenizer and encoding throw.
  init(_ model: Checkpoint, _ found: Checkpoint, texts: [String], ids: [Int32]) throws {
    let (own, other) = (try model.loadTokenizer(), try found.loadTokenizer())
    for text in texts {
      let expected = try own.encode(text)
      note("ids of '\(text.prefix(40))'", expected, try other.encode(text))
      note(
        "text of ids of '\(text.prefix(40))'", try own.decode(expected), try other.decode(expected))
    }
    note("the greedy text", try own.decode(ids), try other.decode(ids))
    note("BOS", Self.word(own.beginOfSequence), Self.word(other.beginOfSequence))
    note("EOS", Self.word(own.endOfSequence), Self.word(other.endOfSequence))
    note("ids that end a text", own.endsOfText.sorted(), other.endsOfText.sorted())
    let templates = [model, found].map { $0.tokenizerSettings.chatTemplate ?? "none" }
    note("the chat template", templates[0], templates[1])
  }

  private static func word(_ id: Int32?) -> String { id.map { "\($0)" } ?? "none" }

  private mutating func note<Value: Equatable>(_ what: String, _ expected: Value, _ found: Value) {
    guard expected != found else { return }
    differences.append(
      "\(what): found \(String("\(found)".prefix(200))), expected \("\(expected)".prefix(200))")
  }
}
