/// Converts text to ids and back. The rest of the program uses tokenizers only through this
/// protocol; each kind of tokenizer has a folder here, conforms to `SerializedTokenizer`, and has a
/// line in `TokenizerKind.all`.
///
/// A loaded tokenizer is immutable, so several threads may use it at once. Calls take a document or
/// a segment of one, never a single token in a hot loop.
public protocol Tokenizer: Sendable {
  /// SHA-256 of everything that the ids depend on.
  var fingerprint: [UInt8] { get }

  /// Number of ids. A checkpoint's vocabulary may be larger (padded), never smaller.
  var vocabularySize: Int { get }
  /// BOS, put before every document; nil if documents get none.
  var beginOfSequence: Int32? { get }
  /// EOS, which ends a document; nil if the tokenizer has none.
  var endOfSequence: Int32? { get }
  /// The ids that end generated text: EOS, BOS (where the next document would begin), and others
  /// that the model's files name.
  var endsOfText: [Int32] { get }
  /// The id of text outside the vocabulary; nil if the tokenizer has none.
  var unknown: Int32? { get }

  /// Whether an id is a control token: never the id of text, and decoded to nothing.
  func isControl(_ id: Int32) -> Bool
  /// The id of the control token of that spelling, such as "<|im_start|>"; nil if there is none.
  /// `encode` never gives it, even where a text holds the spelling, unless the tokenizer's own file
  /// has it as a token that text may spell.
  func controlID(_ spelling: String) -> Int32?
  /// Whether a text behind a control token goes on from it (`encodeContinuing`), so that only the
  /// first text of a sequence gets a space before it.
  var continuesBehindControls: Bool { get }
  /// The white space around a control token that goes with it; nil where the tokenizer's file does
  /// not say.
  func spaces(of id: Int32) -> ControlSpaces?
  /// Whether an id is never the result of encoding text.
  func isUnused(_ id: Int32) -> Bool
  /// The piece of an id as the tokenizer's own files spell it; empty for an id outside the
  /// vocabulary.
  func piece(of id: Int32) -> String

  /// Maximum length in bytes of a text for `encode`.
  var maximumTextBytes: Int { get }

  /// The ids of a text given as UTF-8, without BOS and EOS.
  /// - Throws: `TokenizerError.invalidText` where the bytes are not UTF-8, `.textTooLong`,
  ///   `.encodingFailed` or `.outOfMemory`.
  func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32]

  /// Gives back memory that only makes further calls faster.
  func releaseCaches()

  /// As `encode(utf8:)`, for a text that goes on from another one: without the space that some
  /// tokenizers put before a text.
  func encodeContinuing(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32]

  /// Whether long texts may be cut at all; if not, `nextCut` is not called.
  var allowsCuts: Bool { get }
  /// The first place at or after `position`, which lies after the start of `text`, where a cut does
  /// not change the ids: encoding the parts gives the ids of encoding the whole.
  ///
  /// - Parameter text: the part of a text read so far, which may end inside a character. The answer
  ///   may depend on `SegmentCut.context` bytes on either side of the place, all of them in `text`.
  func nextCut(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> SegmentCut?
  /// Whether `nextJoint` finds places that `nextCut` does not know; if not, it is not called.
  var allowsJoints: Bool { get }
  /// As `nextCut`, for texts of any script: also between two characters that no piece of the
  /// vocabulary joins. Searching takes more time, and what is behind such a place may have to be
  /// encoded as text that goes on.
  func nextJoint(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> SegmentCut?

  /// The bytes of an id in the middle of a text, not necessarily whole characters; empty for a
  /// control token or an id outside the vocabulary.
  /// - Throws: `TokenizerError.outOfMemory`.
  func bytes(of id: Int32) throws(TokenizerError) -> [UInt8]
  /// The text of ids as UTF-8, wrong bytes replaced by U+FFFD; nil if an id is outside the
  /// vocabulary.
  ///
  /// - Parameter continuing: true where other text stands before, false at the start of a text,
  ///   where some tokenizers drop a space.
  /// - Throws: `TokenizerError.outOfMemory`.
  func decodeBytes(
    _ ids: ArraySlice<Int32>, continuing: Bool
  ) throws(TokenizerError) -> [UInt8]?
}

/// A kind of tokenizer that checkpoints may carry.
public protocol SerializedTokenizer: Tokenizer {
  /// The name of the kind in checkpoints, such as "sentencepiece".
  static var kind: String { get }
  /// The file's name in a Hugging Face folder.
  static var fileName: String { get }

  /// The number of ids that serialized bytes of this kind define; nil for bytes of another kind.
  /// Does not load or trust the bytes.
  static func vocabularySize(of serialized: UnsafeRawBufferPointer) -> Int?

  /// Serialized bytes without the ids from `rows` on, for a model whose embedding has only so many
  /// rows, and what these ids were, in words; nil where text could become one of them.
  static func fitted(
    _ serialized: UnsafeRawBufferPointer, to rows: Int
  ) -> (bytes: [UInt8], leftOut: [String])?

  /// The tables that may describe a tokenizer of this kind to readers of GGUF files.
  /// - Throws: `TokenizerError` for a tokenizer that no table describes.
  static func tables(
    of serialized: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [VocabularyTable]

  /// What a Hugging Face `tokenizer_config.json` must say of the kind, besides special tokens.
  /// - Parameter continuesBehindControls: as of the tokenizer with a model's settings.
  func huggingFaceConfiguration(continuesBehindControls: Bool) -> HuggingFaceTokenizer

  /// Loads a tokenizer from its serialized bytes, which need not outlive the call.
  /// - Throws: `TokenizerError.invalidModel`, or `.outOfMemory`.
  init(serialized: UnsafeRawBufferPointer) throws(TokenizerError)
}

// A kind that no other program has.
extension SerializedTokenizer {
  public static func fitted(
    _ serialized: UnsafeRawBufferPointer, to rows: Int
  ) -> (bytes: [UInt8], leftOut: [String])? { nil }

  public static func tables(
    of serialized: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [VocabularyTable] { [] }

  public func huggingFaceConfiguration(continuesBehindControls: Bool) -> HuggingFaceTokenizer {
    HuggingFaceTokenizer([:])
  }
}

/// The white space around a control token that goes with it, as `lstrip` and `rstrip` of a
/// tokenizer.json say.
public struct ControlSpaces: Hashable, Sendable {
  public var before: Bool
  public var after: Bool

  public init(before: Bool, after: Bool) {
    self.before = before
    self.after = after
  }
}

/// A place where a text may be cut into segments.
public struct SegmentCut: Hashable, Sendable {
  /// End of the segment before the cut.
  public var end: Int
  /// Start of the segment after the cut: `end`, or after bytes that the tokenizer inserts by
  /// itself.
  public var next: Int
  /// Whether the segment after the cut is encoded as text that goes on from other text.
  public var continues: Bool

  public init(end: Int, next: Int, continues: Bool = false) {
    self.end = end
    self.next = next
    self.continues = continues
  }

  /// Maximum number of bytes on either side that decide whether a place is a cut: two characters,
  /// one of them behind a space.
  public static let context = 8
}

extension Tokenizer {
  public func releaseCaches() {}

  public var allowsJoints: Bool { false }

  public func nextJoint(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? { nil }

  public var continuesBehindControls: Bool { false }

  public func spaces(of id: Int32) -> ControlSpaces? { nil }

  public var endsOfText: [Int32] { [endOfSequence, beginOfSequence].compactMap { $0 } }

  public func encodeContinuing(
    utf8 bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [Int32] {
    try encode(utf8: bytes)
  }

  /// The ids of a text, without BOS and EOS.
  /// - Throws: `TokenizerError.textTooLong`, `.encodingFailed` or `.outOfMemory`.
  public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    var text = text
    let result: Result<[Int32], TokenizerError> = text.withUTF8 { bytes in
      Result { () throws(TokenizerError) in try encode(utf8: UnsafeRawBufferPointer(bytes)) }
    }
    return try result.get()
  }

  /// The text of ids; control tokens such as BOS and EOS, and ids outside the vocabulary, decode to
  /// nothing. Invalid UTF-8 becomes U+FFFD.
  /// - Throws: `TokenizerError.outOfMemory`.
  public func decode(_ ids: [Int32]) throws(TokenizerError) -> String {
    if let bytes = try decodeBytes(ids[...], continuing: false) {
      return String(decoding: bytes, as: UTF8.self)
    }
    var decoder = StreamingDecoder(self)
    return try decoder.append(contentsOf: ids) + decoder.finish()
  }
}

/// Offset of the first byte that does not begin a UTF-8 character; nil if all bytes are valid.
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
