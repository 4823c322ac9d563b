/// Encodes a text that arrives in chunks, in bounded memory, to exactly the ids of encoding it
/// whole.
///
/// The text is cut where the tokenizer allows it (`Tokenizer.nextCut`). A text without such places,
/// or any text if the tokenizer allows no cuts, is buffered whole.
public struct SegmentedEncoder: Sendable {
  private let tokenizer: any Tokenizer
  private let segmentBytes: Int
  /// Whether the next text goes on from another one (`Tokenizer.encodeContinuing`).
  public var continues = false
  private var text: [UInt8] = []
  /// Offset up to which no place to cut was found.
  private var searched = 0
  /// Bytes of the text that were encoded and dropped from `text`, for error messages.
  private var encodedBytes = 0

  /// - Parameter segmentBytes: minimum bytes buffered before encoding; encoding takes some hundreds
  ///   of bytes of memory for each of them, and is fastest for short segments.
  public init(_ tokenizer: any Tokenizer, segmentBytes: Int = 1 << 10) {
    self.tokenizer = tokenizer
    self.segmentBytes = max(1, segmentBytes)
  }

  /// Appends the next bytes of the text, which may end inside a character, and returns the ids that
  /// later bytes can't change.
  /// - Throws: as `Tokenizer.encode(utf8:)`; offsets count from the text's start.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    let limit = tokenizer.maximumTextBytes
    guard text.count + bytes.count <= limit || tokenizer.allowsCuts else {
      throw .textTooLong(byteCount: text.count + bytes.count, limit: limit)
    }
    text += bytes
    guard tokenizer.allowsCuts else { return [] }
    var ids: [Int32] = []
    var start = 0
    while let cut = nextCut(from: max(searched, start + segmentBytes)) {
      ids += try encode(start..<cut.end)
      encodedBytes += cut.next - start
      start = cut.next
      searched = cut.next
    }
    // The last bytes are searched again once the bytes after them are known.
    searched = max(searched, text.count - SegmentCut.context) - start
    text.removeFirst(start)
    return ids
  }

  /// The ids of the remaining text; afterwards a new text may be appended.
  /// - Throws: as `append`.
  public mutating func finish() throws(TokenizerError) -> [Int32] {
    defer {
      text.removeAll(keepingCapacity: text.capacity <= 4 * segmentBytes)
      searched = 0
      encodedBytes = 0
      continues = false
    }
    return try encode(0..<text.count)
  }

  /// The next place to cut at or after `position`, which lies after the start of a segment.
  private func nextCut(from position: Int) -> SegmentCut? {
    text.withUnsafeBufferPointer { tokenizer.nextCut(in: $0, from: position) }
  }

  private func encode(_ range: Range<Int>) throws(TokenizerError) -> [Int32] {
    let result: Result<[Int32], TokenizerError> = text.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in
        let part = UnsafeRawBufferPointer(rebasing: bytes[range])
        return continues && encodedBytes == 0 && range.lowerBound == 0
          ? try tokenizer.encodeContinuing(utf8: part) : try tokenizer.encode(utf8: part)
      }
    }
    do {
      return try result.get()
    } catch .invalidText(let offset) {
      throw .invalidText(offset: encodedBytes + offset)
    }
  }
}
