/// A tokenizer.json's `post_processor`: the special tokens around a text.
struct SequenceTemplate: Sendable {
  /// The token before a text; nil for none.
  private(set) var begin: Int32?
  /// The token behind a text; nil for none.
  private(set) var end: Int32?

  /// - Parameters:
  ///   - json: the member `post_processor`; nil or null for none.
  ///   - id: the id of a special token's spelling.
  /// - Throws: `TokenizerError.invalidTokenizer` for a step that is not supported.
  init(_ json: JSONFieldValue, id: (String) -> Int32?) throws(TokenizerError) {
    try add(json, id)
  }

  private mutating func add(
    _ json: JSONFieldValue, _ id: (String) -> Int32?
  ) throws(TokenizerError) {
    guard !json.isAbsent else { return }
    switch try json.type() {
    case "Sequence": for step in try json["processors"].list() { try add(step, id) }
    // Where words begin and end in the text; ids don't depend on it.
    case "ByteLevel": break
    case "TemplateProcessing": try addTemplate(json["single"], id)
    case let type: throw json.unsupported(type, ["ByteLevel", "Sequence", "TemplateProcessing"])
    }
  }

  private mutating func addTemplate(
    _ json: JSONFieldValue, _ id: (String) -> Int32?
  ) throws(TokenizerError) {
    var isBehindText = false
    for item in try json.list() {
      guard item["Sequence"].isAbsent else {
        isBehindText = true
        continue
      }
      let spelling = item["SpecialToken"]["id"]
      guard let token = id(try spelling.string()) else {
        throw spelling.invalid("'\(try spelling.string().prefix(40))'", "a token of the vocabulary")
      }
      guard (isBehindText ? end : begin) == nil else {
        throw item.invalid("a second token on one side of the text", "one")
      }
      if isBehindText { end = token } else { begin = token }
    }
  }
}
