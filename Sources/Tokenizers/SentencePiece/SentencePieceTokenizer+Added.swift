/// A token that a model's files add behind the pieces of its SentencePiece model.
public struct AddedPiece: Hashable, Sendable {
  public var content: String
  /// Whether it is a control token, which no text becomes.
  public var isControl: Bool

  public init(_ content: String, isControl: Bool) {
    self.content = content
    self.isControl = isControl
  }
}

extension SentencePieceTokenizer {
  /// A model with further pieces behind its own: control tokens, or symbols that are found in a text
  /// as they are spelled. The ids of the others stay.
  ///
  /// - Parameter serialized: a SentencePiece model.
  public static func adding(
    _ pieces: [AddedPiece], to serialized: UnsafeRawBufferPointer
  ) -> [UInt8] {
    // A list's elements may stand anywhere in a message, so they can follow the rest.
    var model = ProtocolBufferWriter()
    for added in pieces {
      var piece = ProtocolBufferWriter()
      let spelling = added.isControl ? added.content : SpelledSpaces.escaped(added.content)
      piece.bytes(1, Array(spelling.utf8))
      piece.float(2, 0)
      let kind: ModelDescription.PieceKind = added.isControl ? .control : .userDefined
      piece.varint(3, kind.rawValue)
      model.bytes(1, piece.message)
    }
    return Array(serialized) + model.message
  }

  /// All pieces, as the model spells them and with plain spaces.
  public var spellings: Set<String> {
    var spellings: Set<String> = []
    for id in 0..<Int32(vocabularySize) {
      let piece = piece(of: id)
      spellings.formUnion([piece, SpelledSpaces.plain(piece)])
    }
    return spellings
  }

  /// Whether an id's piece spells a token, whose spaces a SentencePiece model spells "▁".
  public func piece(of id: Int32, spells content: String) -> Bool {
    let piece = piece(of: id)
    return piece == content || piece == SpelledSpaces.escaped(content)
  }
}
