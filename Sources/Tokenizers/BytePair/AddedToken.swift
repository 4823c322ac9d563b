/// An entry of a tokenizer.json's `added_tokens`: a piece found in text before anything is split or
/// merged, or, if special, never.
package struct AddedToken: Hashable, Sendable {
  package let id: Int32
  /// How text spells it.
  package let content: String
  /// A control token: text that spells it stays text.
  package let isSpecial: Bool
  /// Whether only whole words match.
  package let isWord: Bool
  /// Whether white space before it belongs to it.
  package let takesSpaceBefore: Bool
  /// Whether white space behind it belongs to it.
  package let takesSpaceAfter: Bool
  /// Whether it is looked for in normalised text, not in the text as it came.
  package let isNormalized: Bool

  private static let maximumBytes = 256

  /// - Throws: `TokenizerError.invalidTokenizer` for a member of a wrong type.
  init(_ json: JSONFieldValue) throws(TokenizerError) {
    id = try json["id"].id()
    content = try json["content"].string()
    isSpecial = try json["special"].bool(false)
    isWord = try json["single_word"].bool(false)
    takesSpaceBefore = try json["lstrip"].bool(false)
    takesSpaceAfter = try json["rstrip"].bool(false)
    isNormalized = try json["normalized"].bool(!isSpecial)
    guard !content.isEmpty else { throw json["content"].invalid("an empty text", "a token") }
    // What nearly spells one is read again from the next byte on.
    guard content.utf8.count <= Self.maximumBytes else {
      throw json["content"].invalid(
        "\(content.utf8.count) bytes", "at most \(Self.maximumBytes)")
    }
  }
}
