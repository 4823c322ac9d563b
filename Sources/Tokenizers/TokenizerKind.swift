/// The kinds of tokenizer that checkpoints may carry, one line each.
public enum TokenizerKind {
  /// All kinds; a file of unknown origin belongs to the first that recognises it.
  public static let all: [any Tokenizer.Type] = [
    SentencePieceTokenizer.self
  ]

  /// Loads a tokenizer of the kind that a checkpoint names.
  ///
  /// - Parameter serialized: its bytes, which need not outlive the call.
  /// - Throws: `TokenizerError.unknownKind`, and what the kind throws.
  public static func load(
    _ kind: String, _ serialized: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> any Tokenizer {
    guard let type = all.first(where: { $0.kind == kind }) else {
      throw .unknownKind(kind, known: all.map { $0.kind })
    }
    return try type.init(serialized: serialized)
  }

  /// The kind that a file's bytes are of and the number of its ids; nil for other files. Whether the
  /// bytes can be trusted shows when they are loaded.
  public static func recognise(
    _ bytes: UnsafeRawBufferPointer
  ) -> (kind: String, vocabularySize: Int)? {
    for type in all {
      if let size = type.vocabularySize(of: bytes) { return (type.kind, size) }
    }
    return nil
  }
}
