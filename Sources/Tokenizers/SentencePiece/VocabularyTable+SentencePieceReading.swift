// The inverse of `sentencePieceModel()`: what a SentencePiece model says, as a table.
extension VocabularyTable {
  /// The table of a SentencePiece model of byte pairs.
  static func sentencePieceTable(
    _ bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> VocabularyTable {
    var table = VocabularyTable(model: "llama", pieces: [])
    (table.addsSpacePrefix, table.removesExtraSpaces) = (true, true)
    // The schema's defaults.
    (table.unknown, table.beginOfSequence, table.endOfSequence) = (0, 1, 2)
    var fields = ProtocolBufferReader(bytes)
    while let (number, value) = try fields.next() {
      guard case .bytes(let message) = value else { continue }
      switch number {
      case 1: try table.addPiece(message)
      case 2: try table.readTrainer(message)
      case 3: try table.readNormalizer(message)
      default: break
      }
    }
    table.spellSpacesPlainly()
    return table
  }

  private mutating func addPiece(_ message: UnsafeRawBufferPointer) throws(TokenizerError) {
    let piece = try Self.piece(message)
    pieces.append(piece.text)
    scores.append(piece.score)
    types.append(piece.type)
  }

  /// The fields of a piece; absent ones have the schema's defaults.
  static func piece(
    _ message: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> (text: String, score: Float, type: Int32) {
    var (text, score, type): (String, Float, Int32) = ("", 0, PieceType.normal)
    var fields = ProtocolBufferReader(message)
    while let (number, value) = try fields.next() {
      switch (number, value) {
      case (1, .bytes(let bytes)): text = String(decoding: bytes, as: UTF8.self)
      case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
      case (3, .varint(let raw)): type = Int32(truncatingIfNeeded: raw)
      default: break
      }
    }
    return (text, score, type)
  }

  private mutating func readTrainer(_ message: UnsafeRawBufferPointer) throws(TokenizerError) {
    var fields = ProtocolBufferReader(message)
    while let (number, value) = try fields.next() {
      guard case .varint(let raw) = value else { continue }
      let id = Int32(truncatingIfNeeded: raw)
      switch number {
      case 3 where id != 2:
        throw .invalidTable(
          field: "the SentencePiece model", found: "algorithm \(id)",
          expected: "byte pairs (2), which llama.cpp knows")
      case 40: unknown = id < 0 ? nil : id
      case 41: beginOfSequence = id < 0 ? nil : id
      case 42: endOfSequence = id < 0 ? nil : id
      case 43: padding = id < 0 ? nil : id
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ message: UnsafeRawBufferPointer) throws(TokenizerError) {
    var fields = ProtocolBufferReader(message)
    while let (number, value) = try fields.next() {
      guard case .varint(let raw) = value else { continue }
      switch number {
      case 3: addsSpacePrefix = raw != 0
      case 4: removesExtraSpaces = raw != 0
      default: break
      }
    }
  }
}
