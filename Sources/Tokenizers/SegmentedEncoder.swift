/// Encodes one text that arrives in chunks, in bounded memory, to exactly the ids that encoding it
/// at once gives.
///
/// Where the model allows (`Tokenizer.encodesSegmentsAlike`), the text is cut at single spaces
/// between two ASCII letters. A text without such places, and any text of another model, is gathered
/// whole.
public struct SegmentedEncoder: Sendable {
  private let tokenizer: Tokenizer
  private let segmentBytes: Int
  private var text: [UInt8] = []
  /// Up to where there is no place to cut.
  private var searched = 0
  /// Bytes of the text before `text`, for error messages.
  private var encodedBytes = 0

  /// - Parameter segmentBytes: how much is gathered at least before it is encoded; encoding
  ///   takes some hundreds of bytes of memory for each of them, and is fastest while they are few.
  public init(_ tokenizer: Tokenizer, segmentBytes: Int = 1 << 10) {
    self.tokenizer = tokenizer
    self.segmentBytes = max(1, segmentBytes)
  }

  /// Takes the next bytes of the text, which may break off inside a character, and returns the ids
  /// that are certain by now.
  /// - Throws: as `Tokenizer.encode(utf8:)`; offsets count from the text's start.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    guard text.count + bytes.count <= Tokenizer.maximumTextBytes || tokenizer.encodesSegmentsAlike
    else {
      throw .textTooLong(
        byteCount: text.count + bytes.count, limit: Tokenizer.maximumTextBytes)
    }
    text += bytes
    guard tokenizer.encodesSegmentsAlike else { return [] }
    var ids: [Int32] = []
    var start = 0
    while let cut = nextCut(from: max(searched, start + segmentBytes)) {
      ids += try encode(start..<cut)
      // The dummy prefix of the next segment is the space.
      let next = tokenizer.description.addsDummyPrefix ? cut + 1 : cut
      encodedBytes += next - start
      start = next
      searched = next
    }
    // The last byte is looked at again, once it is known what follows.
    searched = max(searched, text.count - 1) - start
    text.removeFirst(start)
    return ids
  }

  /// The ids of what is left; the next text may follow.
  /// - Throws: as `append`.
  public mutating func finish() throws(TokenizerError) -> [Int32] {
    defer {
      text.removeAll(keepingCapacity: text.capacity <= 4 * segmentBytes)
      searched = 0
      encodedBytes = 0
    }
    return try encode(0..<text.count)
  }

  /// The first space between two letters at or behind `position`, which is behind a segment's start.
  private func nextCut(from position: Int) -> Int? {
    guard position + 1 < text.count else { return nil }
    return text.withUnsafeBufferPointer { text in
      var index = max(1, position)
      while index + 1 < text.count {
        if text[index] == UInt8(ascii: " "), isLetter(text[index - 1]), isLetter(text[index + 1]) {
          return index
        }
        index += 1
      }
      return nil
    }
  }

  private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  private func encode(_ range: Range<Int>) throws(TokenizerError) -> [Int32] {
    let result: Result<[Int32], TokenizerError> = text.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in
        try tokenizer.encode(utf8: .init(rebasing: bytes[range]))
      }
    }
    do {
      return try result.get()
    } catch .invalidText(let offset) {
      throw .invalidText(offset: encodedBytes + offset)
    }
  }
}

extension Tokenizer {
  /// Whether a long text may be encoded in segments (see `SegmentedEncoder`).
  public var encodesSegmentsAlike: Bool { description.encodesSegmentsAlike }
}
