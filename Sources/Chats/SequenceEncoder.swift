import Tokenizers

/// Writes the pieces of sequences as ids, in bounded memory.
public struct SequenceEncoder: Sendable {
  private let tokenizer: any Tokenizer
  private var segments: SegmentedEncoder
  /// What stands before the next text, but for white space that was dropped.
  private var before = Before.start

  private enum Before {
    /// Nothing, or BOS that begins a text of any kind.
    case start
    /// A token that the sequence spells; BOS and EOS are no control tokens here.
    case token(Int32, isControl: Bool)
    case text
  }

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
      if let id = id(of: piece), tokenizer.spaces(of: id)?.before == true {
        Self.dropSpaces(atEndOf: &result)
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
      before = .start
      guard let begin = tokenizer.beginOfSequence else { return }
      if piece.isWritten { before = .token(begin, isControl: false) }
      try emit([begin])
    case .end:
      guard let end = tokenizer.endOfSequence else {
        throw TokenizerError.encodingFailed(
          reason: "the sequence ends with EOS, which the tokenizer does not have")
      }
      before = .token(end, isControl: false)
      try emit([end])
    case .control(let spelling):
      guard let id = tokenizer.controlID(spelling) else {
        throw TokenizerError.encodingFailed(reason: "there is no control token '\(spelling)'")
      }
      before = .token(id, isControl: true)
      try emit([id])
    case .text(let text): try encode(text: text, piece, emit)
    }
  }

  private mutating func encode<Failure: Error>(
    text: String, _ piece: SequencePiece, _ emit: ([Int32]) throws(Failure) -> Void
  ) throws {
    var text = text
    var continues = piece.continues
    if case .token(let id, let isControl) = before {
      if tokenizer.spaces(of: id)?.after ?? (piece.isStripped && isControl) {
        text = String(text.unicodeScalars.drop { $0.properties.isWhitespace })
      }
      continues = tokenizer.continuesBehindControls
    }
    guard !text.isEmpty else { return }
    segments.continues = continues
    before = .text
    try text.withUTF8 { bytes in
      for start in stride(from: 0, to: bytes.count, by: Self.chunkBytes) {
        let end = min(start + Self.chunkBytes, bytes.count)
        let part = UnsafeRawBufferPointer(bytes)[start..<end]
        try emit(segments.append(UnsafeRawBufferPointer(rebasing: part)))
      }
    }
    try emit(try segments.finish())
  }

  /// The id of a token that the sequence spells; nil for text.
  private func id(of piece: SequencePiece) -> Int32? {
    switch piece.content {
    case .begin: piece.isWritten ? tokenizer.beginOfSequence : nil
    case .end: tokenizer.endOfSequence
    case .control(let spelling): tokenizer.controlID(spelling)
    case .text: nil
    }
  }

  /// Drops the white space before a token that takes it with it.
  private static func dropSpaces(atEndOf pieces: inout [SequencePiece]) {
    while let last = pieces.last, case .text(let text) = last.content {
      var scalars = Substring(text).unicodeScalars
      while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
      guard scalars.isEmpty else {
        pieces[pieces.count - 1].content = .text(String(scalars))
        return
      }
      pieces.removeLast()
    }
  }
}
