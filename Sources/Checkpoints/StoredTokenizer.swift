import Storage

/// A tokenizer as stored in a checkpoint: the kind's name, bytes that only this kind can read, and
/// what the model's own files say beside them.
public struct StoredTokenizer: Hashable, Sendable {
  /// The kind's name, such as "sentencepiece".
  public var kind: String
  /// The tokenizer's serialized form.
  public var bytes: [UInt8]
  /// BOS, EOS and the chat template where the model's files override the bytes or add to them.
  public var settings: TokenizerSettings

  public init(kind: String, bytes: [UInt8], settings: TokenizerSettings = .init()) {
    self.kind = kind
    self.bytes = bytes
    self.settings = settings
  }

  /// Tokenizer kind of every checkpoint of format version 1, which does not name it.
  static let unnamedKind = "sentencepiece"

  /// The member `tokenizer` of a checkpoint's header.
  var header: JSONObject {
    JSONObject([("kind", .string(kind))] + settings.json.members.map { ($0.key, $0.value) })
  }

  /// Reads the kind and settings from the header of a version 2 checkpoint.
  static func read(
    _ fields: JSONFields, vocabularySize: Int
  ) throws(CheckpointError) -> (kind: String, settings: TokenizerSettings) {
    try fields.allow(["kind"] + TokenizerSettings.keys)
    let settings = try TokenizerSettings(fields, vocabularySize: vocabularySize)
    return (try fields.string("kind"), settings)
  }
}
