import Storage
import Synchronization

/// A byte-pair vocabulary as a Hugging Face tokenizer.json describes it (Sennrich et al. 2016;
/// byte-level: Radford et al. 2019): text to ids and back.
///
/// The ids are those of Hugging Face's `tokenizers` told to split special tokens: what spells one
/// in a text is text.
public final class BytePairTokenizer: SerializedTokenizer {
  public static let kind = "bpe"
  public static let fileName = "tokenizer.json"

  public let vocabularySize: Int
  public let beginOfSequence: Int32?
  public let endOfSequence: Int32?
  public var unknown: Int32? { file.model.unknown }
  public let fingerprint: [UInt8]
  public let maximumTextBytes = 1 << 29

  private let file: BytePairFile
  private let tokens: AddedTokenSets
  /// By id, the tokens that are found in text, and control tokens, by how they are looked for.
  private let added: [Int32: AddedToken]
  private let cut: TextCut
  private let hasJoints: Bool
  /// Where texts of any script may be cut, once one needed it.
  private let joints = Mutex<TextJoints?>(nil)
  /// Encoders that no call uses at the moment.
  private let encoders = Mutex<[Waiting]>([])

  /// An encoder in the list of those that wait; whoever takes it out is its only user.
  private struct Waiting: @unchecked Sendable { let encoder: BytePairEncoder }

  public init(serialized bytes: UnsafeRawBufferPointer) throws(TokenizerError) {
    file = try BytePairFile(bytes)
    tokens = AddedTokenSets(file)
    added = Dictionary(file.added.map { ($0.id, $0) }) { first, _ in first }
    cut = TextCut(file)
    hasJoints = TextJoints.exist(in: file)
    vocabularySize = file.model.pieces.idCount
    beginOfSequence = file.template.begin
    endOfSequence = file.template.end
    let hash = ContentHash()
    hash.update(Array(Self.kind.utf8) + [0])
    hash.update(bytes)
    if file.rules.metaspace?.prefix == .first { hash.update(Array("continues".utf8)) }
    fingerprint = hash.finish()
    guard vocabularySize > 0 else {
      throw .invalidTokenizer(field: "model.vocab", found: "no pieces", expected: "some")
    }
  }

  public static func vocabularySize(of serialized: UnsafeRawBufferPointer) -> Int? {
    BytePairRecognition.vocabularySize(of: serialized)
  }

  /// The added tokens of a tokenizer.json, without loading it; nil for other bytes.
  package static func addedTokens(of serialized: UnsafeRawBufferPointer) -> [AddedToken]? {
    BytePairRecognition.addedTokens(of: serialized)
  }

  /// Whether a text behind a control token goes on from it, by the rules of a tokenizer.json, which
  /// is not loaded; nil where no text gets a space before it, and for other bytes.
  package static func continuesBehindControls(of serialized: UnsafeRawBufferPointer) -> Bool? {
    BytePairRecognition.continuesBehindControls(of: serialized)
  }

  public static func fitted(
    _ serialized: UnsafeRawBufferPointer, to rows: Int
  ) -> (bytes: [UInt8], leftOut: [String])? {
    BytePairRecognition.fitted(serialized, to: rows)
  }

  public static func tables(
    of serialized: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [VocabularyTable] {
    try VocabularyTable.bytePairTables(serialized)
  }

  public func huggingFaceConfiguration(continuesBehindControls: Bool) -> HuggingFaceTokenizer {
    HuggingFaceTokenizer(["tokenizer_class": "PreTrainedTokenizerFast"])
  }

  public func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    try encode(bytes, continues: false)
  }

  public func encodeContinuing(
    utf8 bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [Int32] {
    try encode(bytes, continues: true)
  }

  private func encode(
    _ bytes: UnsafeRawBufferPointer, continues: Bool
  ) throws(TokenizerError) -> [Int32] {
    if let offset = firstInvalidUTF8(bytes) { throw .invalidText(offset: offset) }
    guard bytes.count <= maximumTextBytes else {
      throw .textTooLong(byteCount: bytes.count, limit: maximumTextBytes)
    }
    let encoder: BytePairEncoder
    if let waiting = encoders.withLock({ $0.popLast() }) {
      encoder = waiting.encoder
    } else {
      encoder = try BytePairEncoder(file, tokens)
    }
    let ids = try encoder.encode(bytes, continues: continues)
    let waiting = Waiting(encoder: encoder)
    encoders.withLock { $0.append(waiting) }
    return ids
  }

  public func releaseCaches() { encoders.withLock { $0.removeAll() } }

  public var allowsCuts: Bool { cut != .never }

  public func nextCut(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? {
    cut.next(in: text, from: position)
  }

  public var allowsJoints: Bool { hasJoints }

  public func nextJoint(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? {
    let joints = joints.withLock { joints in
      let known = joints ?? TextJoints(file)
      joints = known
      return known
    }
    return joints?.next(in: text, from: position)
  }
}

extension BytePairTokenizer {
  /// An id's piece as the file spells it ("Ġthe" for " the" in byte-level vocabularies).
  public func piece(of id: Int32) -> String {
    String(decoding: file.model.pieces.spelling(of: id), as: UTF8.self)
  }

  public func isControl(_ id: Int32) -> Bool { file.model.special.contains(id) }

  public func isUnused(_ id: Int32) -> Bool {
    id >= 0 && id < vocabularySize && !file.model.pieces.contains(id)
  }

  public func controlID(_ spelling: String) -> Int32? {
    file.model.pieces.id(spelling).flatMap { added[$0] == nil ? nil : $0 }
  }

  public var continuesBehindControls: Bool { file.rules.metaspace?.prefix == .first }

  public func spaces(of id: Int32) -> ControlSpaces? {
    added[id].map { ControlSpaces(before: $0.takesSpaceBefore, after: $0.takesSpaceAfter) }
  }

  public func bytes(of id: Int32) -> [UInt8] {
    guard !isControl(id) else { return [] }
    let spelling = file.model.pieces.spelling(of: id)
    // An added token is spelled as text has it, not by the characters that stand for bytes. Spelled
    // spaces in it are spaces all the same.
    guard file.decoding.isByteLevel, added[id] != nil else {
      return file.decoding.bytes(of: spelling)
    }
    return Array(spelling)
  }

  public func decodeBytes(_ ids: ArraySlice<Int32>, continuing: Bool) -> [UInt8]? {
    guard ids.allSatisfy({ $0 >= 0 && $0 < vocabularySize }) else { return nil }
    var bytes = ids.flatMap { self.bytes(of: $0) }
    if !continuing {
      let spaces = bytes.prefix(file.decoding.dropsSpaces).prefix { $0 == 0x20 }.count
      bytes.removeFirst(spaces)
    }
    return Array(String(decoding: bytes, as: UTF8.self).utf8)
  }
}
