import Tokenizers

/// Writes the pieces of sequences as ids, in bounded memory.
public struct SequenceEncoder: Sendable {
  private let tokenizer: any Tokenizer
  private var segments: SegmentedEncoder
  /// Whether nothing but white space that was dropped stands behind a control token.
  private var isBehindControl = false

  private static let chunkBytes = 1 << 16

  public init(_ tokenizer: any Tokenizer) {
    self.tokenizer = tokenizer
    segments = SegmentedEncoder(tokenizer)
  }

  /// The ids of a whole sequence.
  /// - Throws: `TokenizerError`; `.encodingFailed` for EOS that the tokenizer does not have.
  public mutating func ids(_ pieces: [SequencePiece]) throws -> [Int32] {
    var ids: [Int32] = []
    for piece in resolved(pieces) {
      try encode(piece) { part in ids += part }
    }
    return ids
  }

  /// The pieces with control tokens that the tokenizer does not have as the text they are, joined to
  /// the texts around them.
  public func resolved(_ pieces: [SequencePiece]) -> [SequencePiece] {
    var result: [SequencePiece] = []
    for piece in pieces {
      var piece = piece
      if case .control(let spelling) = piece.content, tokenizer.controlID(spelling) == nil {
        piece.content = .text(spelling)
      }
      // What follows nothing is the start of a text.
      if case .text(let text) = piece.content, text.isEmpty { continue }
      if case .text(let text) = piece.content, let last = result.last,
        case .text(let before) = last.content, !piece.continues
      {
        if last.counts == piece.counts {
          result[result.count - 1].content = .text(before + text)
          continue
        }
        piece.continues = true
      }
      result.append(piece)
    }
    return result
  }

  /// Encodes the next of resolved pieces; `emit` is called with parts of its ids.
  /// - Throws: `TokenizerError` as `ids`, and what `emit` throws.
  public mutating func encode<Failure: Error>(
    _ piece: SequencePiece, _ emit: ([Int32]) throws(Failure) -> Void
  ) throws {
    switch piece.content {
    case .begin:
      isBehindControl = false
      if let begin = tokenizer.beginOfSequence { try emit([begin]) }
    case .end:
      isBehindControl = false
      guard let end = tokenizer.endOfSequence else {
        throw TokenizerError.encodingFailed(
          reason: "the sequence ends with EOS, which the tokenizer does not have")
      }
      try emit([end])
    case .control(let spelling):
      guard let id = tokenizer.controlID(spelling) else {
        throw TokenizerError.encodingFailed(reason: "there is no control token '\(spelling)'")
      }
      isBehindControl = true
      try emit([id])
    case .text(let text): try encode(text: text, piece, emit)
    }
  }

  private mutating func encode<Failure: Error>(
    text: String, _ piece: SequencePiece, _ emit: ([Int32]) throws(Failure) -> Void
  ) throws {
    var text = text
    if piece.isStripped, isBehindControl {
      text = String(text.unicodeScalars.drop { $0.properties.isWhitespace })
    }
    guard !text.isEmpty else { return }
    segments.continues = piece.continues && !isBehindControl
    isBehindControl = false
    try text.withUTF8 { bytes in
      for start in stride(from: 0, to: bytes.count, by: Self.chunkBytes) {
        let end = min(start + Self.chunkBytes, bytes.count)
        let part = UnsafeRawBufferPointer(bytes)[start..<end]
        try emit(segments.append(UnsafeRawBufferPointer(rebasing: part)))
      }
    }
    try emit(try segments.finish())
  }
}
