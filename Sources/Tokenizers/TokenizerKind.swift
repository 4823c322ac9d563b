/// The kinds of tokenizer that checkpoints may carry, one line each.
public enum TokenizerKind {
  /// All kinds; the first one that recognises a file of unknown origin gets it.
  public static let all: [any SerializedTokenizer.Type] = [
    SentencePieceTokenizer.self, BytePairTokenizer.self,
  ]

  /// Loads a tokenizer of the kind named in a checkpoint.
  ///
  /// - Parameter serialized: the tokenizer's bytes, which need not outlive the call.
  /// - Throws: `TokenizerError.unknownKind`, and the errors of the kind's initialiser.
  public static func load(
    _ kind: String, _ serialized: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> any SerializedTokenizer {
    try named(kind).init(serialized: serialized)
  }

  /// The kind of that name.
  /// - Throws: `TokenizerError.unknownKind`.
  public static func named(
    _ kind: String
  ) throws(TokenizerError) -> any SerializedTokenizer.Type {
    guard let type = all.first(where: { $0.kind == kind }) else {
      throw .unknownKind(kind, known: all.map { $0.kind })
    }
    return type
  }

  /// The tokenizer kind of a file's bytes and its number of ids; nil for other files. Whether the
  /// bytes are valid is checked only when they are loaded.
  public static func recognise(
    _ bytes: UnsafeRawBufferPointer
  ) -> (kind: String, vocabularySize: Int)? {
    for type in all {
      if let size = type.vocabularySize(of: bytes) { return (type.kind, size) }
    }
    return nil
  }
}
