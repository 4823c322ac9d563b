/// Text to ids and back. The rest of the program knows tokenizers by this protocol only; a kind of
/// tokenizer is a folder here and a line in `TokenizerKind.all`.
///
/// A loaded tokenizer never changes, so it may be used from several threads at once. Calls take a
/// document or a segment of one, never a single token in a hot loop.
public protocol Tokenizer: Sendable {
  /// The kind's name in checkpoints, such as "sentencepiece".
  static var kind: String { get }

  /// The number of ids that serialized bytes of this kind define, nil for bytes of another kind;
  /// nothing is loaded or trusted for it.
  static func vocabularySize(of serialized: UnsafeRawBufferPointer) -> Int?

  /// Loads a tokenizer from its serialized bytes, which need not outlive the call.
  /// - Throws: `TokenizerError.invalidModel`, or `.outOfMemory`.
  init(serialized: UnsafeRawBufferPointer) throws(TokenizerError)

  /// SHA-256 of all that its ids depend on.
  var fingerprint: [UInt8] { get }

  /// Number of ids. A checkpoint's vocabulary may be larger (padded), never smaller.
  var vocabularySize: Int { get }
  /// BOS, put before every document; nil where nothing is.
  var beginOfSequence: Int32? { get }
  /// EOS, which ends a document; nil where there is none.
  var endOfSequence: Int32? { get }
  /// The id of what the vocabulary lacks; nil where there is none.
  var unknown: Int32? { get }

  /// Whether an id is a control token: never text, invisible when decoded.
  func isControl(_ id: Int32) -> Bool
  /// Whether an id is one that no text is encoded to.
  func isUnused(_ id: Int32) -> Bool
  /// An id as the tokenizer's own files spell it; empty for an id outside the vocabulary.
  func piece(of id: Int32) -> String

  /// The longest text that `encode` takes, in bytes.
  var maximumTextBytes: Int { get }

  /// The ids of a text given as UTF-8, without BOS and EOS.
  /// - Throws: `TokenizerError.invalidText` where the bytes are not UTF-8, `.textTooLong`,
  ///   `.encodingFailed` or `.outOfMemory`.
  func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32]

  /// Whether long texts may be cut at all; where not, `nextCut` is not asked.
  var allowsCuts: Bool { get }
  /// The first place at or behind `position`, which is behind the start of `text`, where a cut
  /// leaves the ids as they are: encoding the parts gives what encoding the whole does.
  ///
  /// - Parameter text: a part of a text so far, which may break off inside a character. Whether a
  ///   place is one may depend on `SegmentCut.context` bytes on either side, all of them in `text`.
  func nextCut(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> SegmentCut?

  /// The bytes that an id stands for in the midst of a text, which need not be whole characters;
  /// none for a control token or an id outside the vocabulary.
  func bytes(of id: Int32) -> [UInt8]
  /// The text of ids as UTF-8, wrong bytes replaced by U+FFFD; nil if an id is outside the
  /// vocabulary.
  ///
  /// - Parameter continuing: true where other text stands before, false at the start of a text,
  ///   where some tokenizers drop a space.
  func decodeBytes(_ ids: ArraySlice<Int32>, continuing: Bool) -> [UInt8]?
}

/// A place where a text may be cut into segments.
public struct SegmentCut: Hashable, Sendable {
  /// Where the segment before it ends.
  public var end: Int
  /// Where the next one begins: `end`, or behind bytes that a tokenizer puts there by itself.
  public var next: Int

  public init(end: Int, next: Int) {
    self.end = end
    self.next = next
  }

  /// How many bytes on either side of a place at most decide whether it is one.
  public static let context = 4
}

extension Tokenizer {
  /// The ids of a text, without BOS and EOS.
  /// - Throws: `TokenizerError.textTooLong`, `.encodingFailed` or `.outOfMemory`.
  public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    var text = text
    let result: Result<[Int32], TokenizerError> = text.withUTF8 { bytes in
      Result { () throws(TokenizerError) in try encode(utf8: UnsafeRawBufferPointer(bytes)) }
    }
    return try result.get()
  }

  /// The text of ids; control tokens such as BOS and EOS are invisible. Bytes that are no UTF-8,
  /// and ids outside the vocabulary, become U+FFFD.
  public func decode(_ ids: [Int32]) -> String {
    if let bytes = decodeBytes(ids[...], continuing: false) {
      return String(decoding: bytes, as: UTF8.self)
    }
    var decoder = StreamingDecoder(self)
    return decoder.append(contentsOf: ids) + decoder.finish()
  }
}

/// Where the first byte lies that begins no UTF-8 character; nil where all is well.
public func firstInvalidUTF8(_ bytes: UnsafeRawBufferPointer) -> Int? {
  bytes.withMemoryRebound(to: UInt8.self) { buffer -> Int? in
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: buffer.span)
      return nil
    } catch {
      return error.byteOffsets.lowerBound
    }
  }
}
