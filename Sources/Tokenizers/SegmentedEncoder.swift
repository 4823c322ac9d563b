/// Encodes a text that arrives in chunks, in bounded memory, to the ids of encoding it whole.
///
/// The text is cut where the tokenizer says that it changes no id: at the first cheap place
/// (`Tokenizer.nextCut`) behind `segmentBytes`, or, where there is none within `patienceBytes`, at
/// the first place of any kind (`Tokenizer.nextJoint`). A stretch of `longestBytes` without any such
/// place is cut all the same (`UnprovenCut`), so that memory stays bounded: the ids around that place
/// may be others than those of the whole. Where a text is cut does not depend on the chunks.
public struct SegmentedEncoder: Sendable {
  /// The longest text that is encoded at once, by default, in bytes.
  public static let longestBytes = 1 << 18
  private static let patienceBytes = 1 << 12

  private let tokenizer: any Tokenizer
  private let segmentBytes: Int
  private let patienceBytes: Int
  private let longestBytes: Int
  /// Whether the next text goes on from another one (`Tokenizer.encodeContinuing`).
  public var continues = false
  private var text: [UInt8] = []
  /// Offset up to which no place to cut was found.
  private var searched = 0
  /// Bytes of the text that were encoded and dropped from `text`, for error messages.
  private var encodedBytes = 0
  /// Whether the segment at the start of `text` goes on from the one before; nil in front of the
  /// first cut.
  private var segmentContinues: Bool?

  /// - Parameters:
  ///   - segmentBytes: minimum bytes buffered before encoding; encoding takes some hundreds of bytes
  ///     of memory for each of them, and is fastest for short segments.
  ///   - patienceBytes: how many bytes are searched for a cheap place before others are taken.
  ///   - longestBytes: bytes without any place to cut that are encoded at once.
  public init(
    _ tokenizer: any Tokenizer, segmentBytes: Int = 1 << 10, patienceBytes: Int? = nil,
    longestBytes: Int = Self.longestBytes
  ) {
    self.tokenizer = tokenizer
    self.segmentBytes = max(1, segmentBytes)
    self.patienceBytes = max(self.segmentBytes, patienceBytes ?? Self.patienceBytes)
    self.longestBytes = max(self.patienceBytes + 16, longestBytes)
  }

  /// Appends the next bytes of the text, which may end inside a character, and returns the ids that
  /// later bytes can't change.
  /// - Throws: as `Tokenizer.encode(utf8:)`; offsets count from the text's start.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    text += bytes
    var ids: [Int32] = []
    var start = 0
    while let cut = nextCut(after: start) {
      ids += try encode(start..<cut.end)
      encodedBytes += cut.next - start
      segmentContinues = cut.continues
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
      segmentContinues = nil
    }
    return try encode(0..<text.count)
  }

  /// The next place to cut in a segment that begins at `start`; nil where more of the text must be
  /// known.
  private func nextCut(after start: Int) -> SegmentCut? {
    let patience = start + patienceBytes
    let longest = start + longestBytes
    var position = max(searched, start + segmentBytes)
    return text.withUnsafeBufferPointer { text in
      func part(_ end: Int) -> UnsafeBufferPointer<UInt8> {
        .init(rebasing: text[..<min(text.count, end + SegmentCut.context)])
      }
      let last = tokenizer.allowsJoints ? patience : longest
      if tokenizer.allowsCuts, position < last {
        if let cut = tokenizer.nextCut(in: part(last), from: position), cut.end < last {
          return cut
        }
      }
      guard text.count >= last + SegmentCut.context else { return nil }
      position = max(position, last)
      if tokenizer.allowsJoints, position < longest {
        if let cut = tokenizer.nextJoint(in: part(longest), from: position), cut.end < longest {
          return cut
        }
      }
      guard text.count >= longest + SegmentCut.context else { return nil }
      let place = UnprovenCut.place(in: text, from: start, before: longest)
      return SegmentCut(end: place, next: place, continues: true)
    }
  }

  private func encode(_ range: Range<Int>) throws(TokenizerError) -> [Int32] {
    // A new segment begins where the one before was cut, in `text` or in front of it.
    let continues = segmentContinues ?? continues
    let result: Result<[Int32], TokenizerError> = text.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in
        let part = UnsafeRawBufferPointer(rebasing: bytes[range])
        return continues
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
