/// Decodes ids one by one to exactly the text of decoding all of them at once.
///
/// A character that arrives in parts (byte fallback, byte-level pieces) is held back until it is
/// complete; a space that the tokenizer drops at the start of a text is dropped only there. The
/// work per id does not grow with the text. (The denormaliser of a SentencePiece model, if any, is
/// applied to each part separately.)
public struct StreamingDecoder: Sendable {
  private let tokenizer: any Tokenizer
  /// Whether text precedes the pending ids.
  private var continues: Bool
  private var pending: [Int32] = []

  /// - Parameter continuing: true if other text comes before, so that the first word keeps its
  ///   space, as in text generated after a prompt.
  public init(_ tokenizer: any Tokenizer, continuing: Bool = false) {
    self.tokenizer = tokenizer
    continues = continuing
  }

  /// Adds one id and returns the text that is now complete; empty if there is none. An id outside
  /// the vocabulary stands for no text.
  /// - Throws: `TokenizerError.outOfMemory`.
  public mutating func append(_ id: Int32) throws(TokenizerError) -> String {
    guard id >= 0, id < tokenizer.vocabularySize else {
      defer { continues = true }
      return try finish()
    }
    pending.append(id)
    return try emit(keeping: incompleteIDs)
  }

  /// Like `append(_:)`, for several ids at once.
  /// - Throws: `TokenizerError.outOfMemory`.
  public mutating func append(
    contentsOf ids: some Sequence<Int32>
  ) throws(TokenizerError) -> String {
    let size = tokenizer.vocabularySize
    var text = ""
    for id in ids {
      if id >= 0, id < size {
        pending.append(id)
      } else {
        text += try append(id)
      }
    }
    return try text + emit(keeping: incompleteIDs)
  }

  /// The text held back so far; an incomplete character becomes U+FFFD. More ids may follow.
  /// - Throws: `TokenizerError.outOfMemory`.
  public mutating func finish() throws(TokenizerError) -> String { try emit(keeping: 0) }

  private mutating func emit(keeping held: Int) throws(TokenizerError) -> String {
    guard held < pending.count,
      let bytes = try tokenizer.decodeBytes(pending.dropLast(held), continuing: continues),
      !bytes.isEmpty
    else { return "" }
    pending.removeFirst(pending.count - held)
    continues = true
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Number of pending ids at the end that encode the start of an incomplete UTF-8 character.
  private var incompleteIDs: Int {
    get throws(TokenizerError) {
      var behind = 0
      for (back, id) in pending.reversed().enumerated() {
        for byte in try tokenizer.bytes(of: id).reversed() {
          behind += 1
          let length =
            switch byte {
            case 0x80...0xBF: 0
            case 0xC2...0xDF: 2
            case 0xE0...0xEF: 3
            case 0xF0...0xF4: 4
            default: 1
            }
          if length > 0 { return behind < length ? back + 1 : 0 }
          if behind == 3 { return 0 }
        }
      }
      return 0
    }
  }
}
