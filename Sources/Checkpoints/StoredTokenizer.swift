/// A tokenizer as stored in a checkpoint: the kind's name, and bytes that only this kind can read.
public struct StoredTokenizer: Hashable, Sendable {
  /// The kind's name, such as "sentencepiece".
  public var kind: String
  /// The tokenizer's serialized form.
  public var bytes: [UInt8]

  public init(kind: String, bytes: [UInt8]) {
    self.kind = kind
    self.bytes = bytes
  }

  /// Tokenizer kind of every checkpoint of format version 1, which does not name it.
  static let unnamedKind = "sentencepiece"

  /// Reads the tokenizer kind from the header of a version 2 checkpoint.
  static func kind(_ fields: JSONFields) throws(CheckpointError) -> String {
    try fields.allow(["kind"])
    return try fields.string("kind")
  }
}
