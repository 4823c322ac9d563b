// The stored form of a vocabulary with scores: a SentencePiece model (its protocol buffer's field
// numbers are those of sentencepiece_model.proto).
extension VocabularyTable {
  /// - Throws: `TokenizerError.invalidTable` for a table that is no SentencePiece model.
  func sentencePieceModel() throws(TokenizerError) -> [UInt8] {
    guard scores.count == pieces.count, types.count == pieces.count else {
      throw .invalidTable(
        field: "tokenizer.ggml.scores and token_type",
        found: "\(scores.count) and \(types.count) entries", expected: "\(pieces.count) each")
    }
    guard let unknown = types.firstIndex(of: PieceType.unknown) else {
      throw .invalidTable(
        field: "tokenizer.ggml.token_type", found: "no unknown piece", expected: "one")
    }
    var model = ProtocolBufferWriter()
    let known = Set(pieces)
    for id in pieces.indices {
      guard (PieceType.normal...PieceType.byte).contains(types[id]), scores[id].isFinite else {
        throw .invalidTable(
          field: "piece \(id)", found: "type \(types[id]), score \(scores[id])",
          expected: "a type from 1 to 6 and a finite score")
      }
      var piece = ProtocolBufferWriter()
      piece.bytes(1, Array(spelling(of: id, known).utf8))
      piece.float(2, scores[id])
      piece.varint(3, UInt64(types[id]))
      model.bytes(1, piece.message)
    }
    model.bytes(2, trainer(unknown: unknown).message)
    var normalizer = ProtocolBufferWriter()
    normalizer.bytes(1, Array("identity".utf8))
    normalizer.varint(3, addsSpacePrefix ?? true ? 1 : 0)
    normalizer.varint(4, removesExtraSpaces ?? false ? 1 : 0)
    normalizer.varint(5, 1)
    model.bytes(3, normalizer.message)
    return model.message
  }

  /// A piece as SentencePiece finds it. Pieces that text may spell come with plain spaces, as
  /// llama.cpp looks for them in text as it is; SentencePiece looks for them where spaces are "▁".
  private func spelling(of id: Int, _ known: Set<String>) -> String {
    guard types[id] == PieceType.userDefined else { return pieces[id] }
    let spelled = SpelledSpaces.escaped(pieces[id])
    return known.contains(spelled) ? pieces[id] : spelled
  }

  /// What the library takes the special ids from.
  private func trainer(unknown: Int) -> ProtocolBufferWriter {
    var trainer = ProtocolBufferWriter()
    // Pairs are merged by score.
    trainer.varint(3, 2)
    trainer.varint(4, UInt64(pieces.count))
    trainer.varint(35, types.contains(PieceType.byte) ? 1 : 0)
    func special(_ number: UInt64, _ pieceNumber: UInt64, _ id: Int32?) {
      // A negative id means none.
      trainer.varint(number, UInt64(bitPattern: Int64(id ?? -1)))
      // The library looks ids up by these spellings.
      if let id { trainer.bytes(pieceNumber, Array(pieces[Int(id)].utf8)) }
    }
    special(40, 45, Int32(unknown))
    special(41, 46, beginOfSequence)
    special(42, 47, endOfSequence)
    special(43, 48, padding)
    return trainer
  }
}
