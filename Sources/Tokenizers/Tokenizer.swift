import CSentencePiece

/// A SentencePiece model (Kudo & Richardson 2018): text to ids and back.
///
/// All that a model's file settles (normalisation, white space, dummy prefix, byte fallback) is left
/// to SentencePiece. Safe to use from several threads at once.
public final class Tokenizer: Sendable {
  /// The longest text that `encode` takes, in bytes: SentencePiece counts its normalised form, up to
  /// three times as long, in 32 bits.
  public static let maximumTextBytes = 1 << 29

  /// Number of pieces. A checkpoint's vocabulary may be larger (padded), never smaller.
  public let vocabularySize: Int
  /// BOS, put before every document; nil where the model has none.
  public let beginOfSequence: Int32?
  /// EOS; nil where the model has none.
  public let endOfSequence: Int32?
  /// The id of what the vocabulary lacks; nil where the model has none.
  public let unknown: Int32?

  /// The model's serialized bytes, to be stored or hashed.
  public let serialized: [UInt8]

  let description: ModelDescription
  /// A piece that decodes to the same text wherever it stands, nil in a model without one.
  let anchor: (id: Int32, byteCount: Int)?
  // Immutable once loaded; SentencePiece's const functions may run side by side.
  private nonisolated(unsafe) let model: OpaquePointer

  /// Loads a model from its serialized bytes, which are copied.
  /// - Throws: `TokenizerError.invalidModel`, or `.outOfMemory`.
  public init(model bytes: UnsafeRawBufferPointer) throws(TokenizerError) {
    description = try ModelDescription(bytes)
    serialized = Array(bytes)
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
    anchor = Self.findAnchor(loaded, count: count)
  }

  deinit { sft_sentencepiece_free(model) }

  /// The ids of a text, without BOS and EOS.
  /// - Throws: `TokenizerError.textTooLong`, `.encodingFailed` or `.outOfMemory`.
  public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
    var text = text
    let result: Result<[Int32], TokenizerError> = text.withUTF8 { bytes in
      Result { () throws(TokenizerError) in try encodeValid(UnsafeRawBufferPointer(bytes)) }
    }
    return try result.get()
  }

  /// The ids of a text given as bytes, without BOS and EOS.
  /// - Throws: as `encode(_:)`, and `TokenizerError.invalidText` where the bytes are not UTF-8.
  public func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    if let offset = firstInvalidUTF8(bytes) { throw .invalidText(offset: offset) }
    return try encodeValid(bytes)
  }

  /// The text of ids; control symbols such as BOS and EOS are invisible. Bytes that are no UTF-8,
  /// and ids outside the vocabulary, become U+FFFD.
  public func decode(_ ids: [Int32]) -> String {
    if let bytes = decodeBytes(ids[...]) { return String(decoding: bytes, as: UTF8.self) }
    var decoder = StreamingDecoder(self)
    var text = ""
    for id in ids { text += decoder.append(id) }
    return text + decoder.finish()
  }

  /// An id's piece as the model spells it ("▁" for a space, "<0x0A>" for a byte); empty for an id
  /// outside the vocabulary.
  public func piece(of id: Int32) -> String { String(decoding: pieceBytes(id), as: UTF8.self) }

  /// Whether an id stands for a control symbol: never text, invisible when decoded.
  public func isControl(_ id: Int32) -> Bool { sft_sentencepiece_is_control(model, id) }

  /// Whether an id is one that no text is encoded to.
  public func isUnused(_ id: Int32) -> Bool { sft_sentencepiece_is_unused(model, id) }

  /// The byte that an id of the byte fallback stands for.
  public func byte(of id: Int32) -> UInt8? {
    guard sft_sentencepiece_is_byte(model, id) else { return nil }
    return UInt8(piece(of: id).dropFirst(3).dropLast(), radix: 16)
  }

  /// The bytes of decoded ids, nil if one is outside the vocabulary or refused.
  func decodeBytes(_ ids: ArraySlice<Int32>) -> [UInt8]? { Self.decode(model, ids) }

  private func pieceBytes(_ id: Int32) -> UnsafeBufferPointer<UInt8> {
    var count = 0
    let start = sft_sentencepiece_piece(model, id, &count)
    return UnsafeBufferPointer(start: start, count: count)
  }

  private func encodeValid(_ bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    guard bytes.count <= Self.maximumTextBytes else {
      throw .textTooLong(byteCount: bytes.count, limit: Self.maximumTextBytes)
    }
    var ids: UnsafeMutablePointer<Int32>?
    var count = 0
    try Self.check("encoding text", TokenizerError.encodingFailed) {
      sft_sentencepiece_encode(model, bytes.baseAddress, bytes.count, &ids, &count, $0)
    }
    defer { sft_sentencepiece_free_ids(ids) }
    return Array(UnsafeBufferPointer(start: ids, count: count))
  }

  private static func decode(_ model: OpaquePointer, _ ids: ArraySlice<Int32>) -> [UInt8]? {
    var text: UnsafeMutablePointer<UInt8>?
    var count = 0
    let status = ids.withUnsafeBufferPointer {
      sft_sentencepiece_decode(
        model, $0.baseAddress, $0.count, &text, &count, .init(text: noMessage, capacity: 0))
    }
    defer { sft_sentencepiece_free_text(text) }
    guard status == SFT_SENTENCEPIECE_OK else { return nil }
    return Array(UnsafeBufferPointer(start: text, count: count))
  }

  private static func findAnchor(
    _ model: OpaquePointer, count: Int32
  ) -> (id: Int32, byteCount: Int)? {
    for id in 0..<count where !sft_sentencepiece_is_control(model, id) {
      if sft_sentencepiece_is_byte(model, id) || id == sft_sentencepiece_unknown(model) { continue }
      // Twice itself: neither a space that is dropped at the start, nor one joined to its twin.
      let (once, twice) = (decode(model, [id]), decode(model, [id, id]))
      if let once, !once.isEmpty, twice == once + once { return (id, once.count) }
    }
    return nil
  }

  /// Runs a call of the library and turns its status into an error.
  private static func check(
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

/// Room of no bytes for a message that is not wanted.
private nonisolated(unsafe) let noMessage = UnsafeMutablePointer<CChar>.allocate(capacity: 1)

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
