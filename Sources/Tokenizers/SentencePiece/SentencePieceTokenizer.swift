import CSentencePiece
import Storage
import Synchronization

/// A SentencePiece model (Kudo & Richardson 2018): text to ids and back.
///
/// Everything that the model file specifies (normalisation, white space, dummy prefix, byte
/// fallback) is done by SentencePiece.
public final class SentencePieceTokenizer: SerializedTokenizer {
  public static let kind = "sentencepiece"
  public static let fileName = "tokenizer.model"

  public let vocabularySize: Int
  public let beginOfSequence: Int32?
  public let endOfSequence: Int32?
  public let unknown: Int32?
  public let fingerprint: [UInt8]

  /// SentencePiece stores the length of the normalised text, up to three times as long, in 32 bits.
  public let maximumTextBytes = 1 << 29

  let description: ModelDescription
  /// A piece that decodes to the same text at any position; nil in a model without one.
  private let anchor: (id: Int32, byteCount: Int)?
  // Immutable once loaded; SentencePiece's const functions are thread-safe.
  nonisolated(unsafe) let model: OpaquePointer
  /// What says where characters are joined, once a text needed it.
  let joints = Mutex<CharacterJoints?>(nil)
  /// The same model without its dummy prefix, for text that goes on from other text.
  private let bareModel: BareModel?

  public init(serialized bytes: UnsafeRawBufferPointer) throws(TokenizerError) {
    description = try ModelDescription(bytes)
    let hash = ContentHash()
    hash.update(Array(Self.kind.utf8) + [0])
    hash.update(bytes)
    fingerprint = hash.finish()
    var loaded: OpaquePointer?
    try Self.check("loading the SentencePiece model", TokenizerError.invalidModel) {
      sft_sentencepiece_load(bytes.baseAddress, bytes.count, &loaded, $0)
    }
    guard let loaded else { throw .invalidModel(reason: "SentencePiece loaded nothing") }
    model = loaded
    let count = sft_sentencepiece_piece_count(loaded)
    func special(_ id: Int32) -> Int32? { id >= 0 && id < count ? id : nil }
    vocabularySize = Int(count)
    beginOfSequence = special(sft_sentencepiece_bos(loaded))
    endOfSequence = special(sft_sentencepiece_eos(loaded))
    unknown = special(sft_sentencepiece_unknown(loaded))
    anchor = try Self.findAnchor(loaded, count: count)
    bareModel = description.addsDummyPrefix ? BareModel(Array(bytes)) : nil
  }

  deinit { sft_sentencepiece_free(model) }

  /// Whether a text gets a space before its first word.
  var addsDummyPrefix: Bool { description.addsDummyPrefix }

  public static func vocabularySize(of serialized: UnsafeRawBufferPointer) -> Int? {
    var fields = ProtocolBufferReader(serialized)
    var pieces = 0
    do throws(TokenizerError) {
      while let (number, value) = try fields.next() {
        if number == 1, case .bytes = value { pieces += 1 }
      }
    } catch {
      return nil
    }
    return pieces > 0 ? pieces : nil
  }

  public func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    if let offset = firstInvalidUTF8(bytes) { throw .invalidText(offset: offset) }
    guard bytes.count <= maximumTextBytes else {
      throw .textTooLong(byteCount: bytes.count, limit: maximumTextBytes)
    }
    return try Self.encode(model, bytes)
  }

  public func encodeContinuing(
    utf8 bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [Int32] {
    // Where extra spaces go, a leading space is kept only as the dummy prefix.
    let keepsPrefix = description.removesExtraSpaces && bytes.first == UInt8(ascii: " ")
    guard let bareModel, !keepsPrefix else { return try encode(utf8: bytes) }
    if let offset = firstInvalidUTF8(bytes) { throw .invalidText(offset: offset) }
    guard bytes.count <= maximumTextBytes else {
      throw .textTooLong(byteCount: bytes.count, limit: maximumTextBytes)
    }
    let bare = try bareModel.model()
    return try withExtendedLifetime(bare) { () throws(TokenizerError) in
      try Self.encode(bare.handle, bytes)
    }
  }

  public func releaseCaches() { bareModel?.release() }

  private static func encode(
    _ model: OpaquePointer, _ bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [Int32] {
    var ids: UnsafeMutablePointer<Int32>?
    var count = 0
    try check("encoding text", TokenizerError.encodingFailed) {
      sft_sentencepiece_encode(model, bytes.baseAddress, bytes.count, &ids, &count, $0)
    }
    defer { sft_sentencepiece_free_ids(ids) }
    return Array(UnsafeBufferPointer(start: ids, count: count))
  }

  /// An id's piece as the model spells it ("▁" for a space, "<0x0A>" for a byte).
  public func piece(of id: Int32) -> String {
    var count = 0
    let start = sft_sentencepiece_piece(model, id, &count)
    return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }

  public func isControl(_ id: Int32) -> Bool { sft_sentencepiece_is_control(model, id) }

  public func controlID(_ spelling: String) -> Int32? {
    var spelling = spelling
    let id = spelling.withUTF8 { sft_sentencepiece_id(model, $0.baseAddress, $0.count) }
    // What the vocabulary lacks is the unknown piece's.
    return isControl(id) && piece(of: id) == spelling ? id : nil
  }

  public func isUnused(_ id: Int32) -> Bool { sft_sentencepiece_is_unused(model, id) }

  /// The byte that a byte-fallback id stands for; nil for other ids.
  func byte(of id: Int32) -> UInt8? {
    guard sft_sentencepiece_is_byte(model, id) else { return nil }
    return UInt8(piece(of: id).dropFirst(3).dropLast(), radix: 16)
  }
}

// Decoding. SentencePiece treats only the start of a text specially; to decode from the middle of a
// text, a piece whose text is known (the anchor) replaces everything before.
extension SentencePieceTokenizer {
  public func bytes(of id: Int32) throws(TokenizerError) -> [UInt8] {
    if let byte = byte(of: id) { return [byte] }
    return try decodeBytes([id], continuing: true) ?? []
  }

  public func decodeBytes(
    _ ids: ArraySlice<Int32>, continuing: Bool
  ) throws(TokenizerError) -> [UInt8]? {
    guard continuing, let anchor else { return try Self.decode(model, ids) }
    guard let bytes = try Self.decode(model, [anchor.id] + ids) else { return nil }
    return Array(bytes.dropFirst(anchor.byteCount))
  }

  /// Nil where the library refuses an id.
  private static func decode(
    _ model: OpaquePointer, _ ids: ArraySlice<Int32>
  ) throws(TokenizerError) -> [UInt8]? {
    var text: UnsafeMutablePointer<UInt8>?
    var count = 0
    let status = ids.withUnsafeBufferPointer {
      sft_sentencepiece_decode(
        model, $0.baseAddress, $0.count, &text, &count, .init(text: noMessage, capacity: 0))
    }
    defer { sft_sentencepiece_free_text(text) }
    guard status != SFT_SENTENCEPIECE_NO_MEMORY else { throw .outOfMemory(action: "decoding text") }
    guard status == SFT_SENTENCEPIECE_OK else { return nil }
    return Array(UnsafeBufferPointer(start: text, count: count))
  }

  /// The first piece that is its own text, else a byte or the unknown piece.
  private static func findAnchor(
    _ model: OpaquePointer, count: Int32
  ) throws(TokenizerError) -> (id: Int32, byteCount: Int)? {
    let unknown = sft_sentencepiece_unknown(model)
    var substitute: (id: Int32, byteCount: Int)?
    for id in 0..<count where !sft_sentencepiece_is_control(model, id) {
      let isPlain = id != unknown && !sft_sentencepiece_is_byte(model, id)
      guard isPlain || substitute == nil else { continue }
      // Decoding the piece twice must repeat its text: it is then neither a space dropped at the
      // start, nor a piece joined to its neighbour, nor part of a character.
      guard let once = try decode(model, [id]), !once.isEmpty, once != replacement,
        try decode(model, [id, id]) == once + once
      else { continue }
      if isPlain { return (id, once.count) }
      substitute = (id, once.count)
    }
    return substitute
  }

  /// Calls the library and throws if its status is an error.
  static func check(
    _ action: String, _ refusal: (String) -> TokenizerError,
    _ call: (sft_sentencepiece_message) -> sft_sentencepiece_status
  ) throws(TokenizerError) {
    let (status, words) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { room in
      room.initialize(repeating: 0)
      guard let start = room.baseAddress else { return (SFT_SENTENCEPIECE_NO_MEMORY, "") }
      let status = call(.init(text: start, capacity: room.count))
      return (status, String(cString: start))
    }
    switch status {
    case SFT_SENTENCEPIECE_OK: return
    case SFT_SENTENCEPIECE_NO_MEMORY: throw .outOfMemory(action: action)
    default: throw refusal(words)
    }
  }
}

/// U+FFFD, the decoding of bytes that are not valid UTF-8.
private let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

/// A buffer for error messages that are not wanted.
private nonisolated(unsafe) let noMessage = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
