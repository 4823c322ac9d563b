/// A serialized byte-pair SentencePiece model that knows "▁", "a"-"e", "▁a", "ab" and nothing else.
enum SmallModel {
  static func bytes(begin: Bool = true) -> [UInt8] {
    var model: [UInt8] = []
    func piece(_ text: String, kind: UInt8, score: Float) {
      var piece: [UInt8] = [0x0A, UInt8(text.utf8.count)] + Array(text.utf8) + [0x15]
      withUnsafeBytes(of: score.bitPattern.littleEndian) { piece += $0 }
      piece += [0x18, kind]
      model += [0x0A, UInt8(piece.count)] + piece
    }
    piece("<unk>", kind: 2, score: 0)
    if begin {
      piece("<s>", kind: 3, score: 0)
      piece("</s>", kind: 3, score: 0)
    }
    for (rank, word) in ["▁", "a", "b", "c", "d", "e", "▁a", "ab"].enumerated() {
      piece(word, kind: 1, score: -Float(rank))
    }
    // trainer_spec: model_type BPE.
    return model + [0x12, 2, 0x18, 2]
  }
}
