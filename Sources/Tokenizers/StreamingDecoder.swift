/// Decodes ids one by one into the text that decoding all of them at once gives.
///
/// A character that arrives in bytes (byte fallback) is held back until it is whole; the space that
/// the first word's "▁" stands for is dropped, as it is when decoding at once. The work per id does
/// not grow with the text. (A model with a denormaliser has it applied to each part by itself.)
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  /// Stands in for all that was decoded before: SentencePiece treats the start of a text specially,
  /// and only that.
  private var context: [Int32] = []
  private var contextByteCount = 0
  private var pending: [Int32] = []

  /// - Parameter continuing: true where other text stands before, so that the first word keeps its
  ///   space, as in what a model generates behind a prompt.
  public init(_ tokenizer: Tokenizer, continuing: Bool = false) {
    self.tokenizer = tokenizer
    if continuing { useAnchor() }
  }

  /// The text that becomes certain with one more id; empty while there is none.
  public mutating func append(_ id: Int32) -> String {
    guard id >= 0, id < tokenizer.vocabularySize else {
      defer { useAnchor() }
      return finish() + "\u{FFFD}"
    }
    pending.append(id)
    return emit(keeping: incompleteBytes)
  }

  /// As `append(_:)` for several ids, in one step.
  public mutating func append(contentsOf ids: some Sequence<Int32>) -> String {
    var text = ""
    for id in ids {
      if id >= 0, id < tokenizer.vocabularySize {
        pending.append(id)
      } else {
        text += append(id)
      }
    }
    return text + emit(keeping: incompleteBytes)
  }

  /// The text that was held back; an incomplete character becomes U+FFFD per byte. Ids may follow.
  public mutating func finish() -> String { emit(keeping: 0) }

  private mutating func emit(keeping held: Int) -> String {
    let ready = context + pending.dropLast(held)
    guard ready.count > context.count, let bytes = tokenizer.decodeBytes(ready[...]),
      bytes.count > contextByteCount
    else { return "" }
    let text = String(decoding: bytes.dropFirst(contextByteCount), as: UTF8.self)
    pending.removeFirst(pending.count - held)
    if tokenizer.anchor == nil {
      context = ready
      contextByteCount = bytes.count
    } else {
      useAnchor()
    }
    return text
  }

  private mutating func useAnchor() {
    guard let anchor = tokenizer.anchor else { return }
    context = [anchor.id]
    contextByteCount = anchor.byteCount
  }

  /// How many of the last pending ids are the beginning of a UTF-8 character.
  private var incompleteBytes: Int {
    for (back, id) in pending.reversed().prefix(3).enumerated() {
      guard let byte = tokenizer.byte(of: id) else { return 0 }
      let length =
        switch byte {
        case 0x80...0xBF: 0
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
      if length > 0 { return back + 1 < length ? back + 1 : 0 }
    }
    return 0
  }
}
