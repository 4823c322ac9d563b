/// A tokenizer as a checkpoint carries it: bytes that only its kind understands.
public struct StoredTokenizer: Hashable, Sendable {
  /// The kind's name, such as "sentencepiece".
  public var kind: String
  /// The tokenizer's serialized form.
  public var bytes: [UInt8]

  public init(kind: String, bytes: [UInt8]) {
    self.kind = kind
    self.bytes = bytes
  }

  /// The kind of all tokenizers in checkpoints of format version 1, which don't name it.
  static let unnamedKind = "sentencepiece"

  /// Reads the header's member of a checkpoint of version 2.
  static func kind(_ fields: JSONFields) throws(CheckpointError) -> String {
    try fields.allow(["kind"])
    return try fields.string("kind")
  }
}

/// Tells which kind of tokenizer a file's bytes are and how many ids it has; nil for other files. The
/// caller gives it, so that checkpoints need not understand tokenizers.
public typealias TokenizerRecogniser =
  (UnsafeRawBufferPointer) -> (kind: String, vocabularySize: Int)?
