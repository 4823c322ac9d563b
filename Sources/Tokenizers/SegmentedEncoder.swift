/// Encodes one text that arrives in chunks, in bounded memory, to exactly the ids that encoding it
/// at once gives.
///
/// The text is cut where the tokenizer allows it (`Tokenizer.nextCut`). A text without such places,
/// and any text of a tokenizer that allows none, is gathered whole.
public struct SegmentedEncoder: Sendable {
  private let tokenizer: any Tokenizer
  private let segmentBytes: Int
  private var text: [UInt8] = []
  /// Up to where there is no place to cut.
  private var searched = 0
  /// Bytes of the text before `text`, for error messages.
  private var encodedBytes = 0

  /// - Parameter segmentBytes: how much is gathered at least before it is encoded; encoding
  ///   takes some hundreds of bytes of memory for each of them, and is fastest while they are few.
  public init(_ tokenizer: any Tokenizer, segmentBytes: Int = 1 << 10) {
    self.tokenizer = tokenizer
    self.segmentBytes = max(1, segmentBytes)
  }

  /// Takes the next bytes of the text, which may break off inside a character, and returns the ids
  /// that are certain by now.
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
    // The last bytes are looked at again, once it is known what follows.
    searched = max(searched, text.count - SegmentCut.context) - start
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

  /// The next place to cut; `position` is behind a segment's start.
  private func nextCut(from position: Int) -> SegmentCut? {
    text.withUnsafeBufferPointer { tokenizer.nextCut(in: $0, from: position) }
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
