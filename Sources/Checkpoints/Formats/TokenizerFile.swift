import Storage
import Tensors

/// Just enough of SentencePiece's model file (a protocol-buffer message whose field 1 repeats, once
/// for each piece) to refuse files that can't be the tokenizer of a model.
enum TokenizerFile {
  /// Reads a SentencePiece model and checks that every piece has a row in the embedding.
  /// - Parameter model: what the tokenizer is for, for messages.
  static func read(
    _ path: String?, for model: String, vocabularySize: Int
  ) throws(CheckpointError) -> [UInt8] {
    guard let path else {
      throw .missing(
        path: model, what: "tokenizer.model", next: "name a SentencePiece model with --tokenizer")
    }
    let file = try wrapping { () throws(StorageError) in try MappedFile(path: path) }
    guard let pieces = pieceCount(file.bytes), pieces > 0 else {
      throw .wrongKind(
        path: path, found: "a file of another kind",
        expected: "a SentencePiece model (tokenizer.model)")
    }
    guard pieces <= vocabularySize else {
      throw .damaged(
        path: path, field: "pieces", found: "\(pieces)",
        expected: "at most \(vocabularySize), the vocabulary of '\(model)'")
    }
    return Array(file.bytes)
  }

  /// The number of pieces, or nil where the bytes are no protocol-buffer message.
  private static func pieceCount(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var reader = ByteReader(bytes, source: "")
    var count = 0
    while reader.remaining > 0 {
      guard let tag = varint(&reader) else { return nil }
      let skipped: Int
      switch tag & 7 {
      case 0:
        guard varint(&reader) != nil else { return nil }
        skipped = 0
      case 1: skipped = 8
      case 2:
        guard let length = varint(&reader), length <= UInt64(reader.remaining) else { return nil }
        skipped = Int(length)
      case 5: skipped = 4
      default: return nil
      }
      guard (try? reader.skip(skipped, "")) != nil else { return nil }
      if tag == 1 << 3 | 2 { count += 1 }
    }
    return count
  }

  private static func varint(_ reader: inout ByteReader) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = try? reader.integer(UInt8.self, "") else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
