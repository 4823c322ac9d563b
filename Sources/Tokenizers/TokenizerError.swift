import Tensors

/// Errors of loading a tokenizer or of encoding text.
public enum TokenizerError: Failure {
  /// A model whose bytes are malformed or unsafe; `reason` names the field.
  case invalidModel(reason: String)
  /// A tokenizer.json that is damaged or asks for what is not supported; `field` is the member.
  case invalidTokenizer(field: String, found: String, expected: String)
  /// A GGUF vocabulary that can't be taken; `field` is the metadata's key.
  case invalidTable(field: String, found: String, expected: String)
  /// A checkpoint whose tokenizer kind this program does not have.
  case unknownKind(String, known: [String])
  /// Text that is not UTF-8: the byte at `offset` from the text's start does not begin a character.
  case invalidText(offset: Int)
  /// A text of more bytes than the tokenizer can handle.
  case textTooLong(byteCount: Int, limit: Int)
  /// The library rejected the text; `reason` is its message.
  case encodingFailed(reason: String)
  /// PCRE2 gave up on a split pattern; `reason` is its message.
  case splittingFailed(pattern: String, reason: String)
  /// Out of memory during `action`.
  case outOfMemory(action: String)

  public var category: FailureCategory {
    switch self {
    case .invalidModel, .invalidTokenizer, .invalidTable, .unknownKind, .invalidText, .textTooLong,
      .encodingFailed, .splittingFailed:
      .badData
    case .outOfMemory: .inputOutput
    }
  }

  public var description: String {
    switch self {
    case .invalidModel(let reason):
      "loading the SentencePiece model: \(reason); the file may be cut short or damaged: "
        + "copy or import it again"
    case .invalidTokenizer(let field, let found, let expected):
      "loading the tokenizer (tokenizer.json): \(field): found \(found), expected \(expected)"
    case .invalidTable(let field, let found, let expected):
      "reading the vocabulary: \(field): found \(found), expected \(expected)"
    case .unknownKind(let kind, let known):
      "loading the tokenizer: found the kind '\(kind)', expected \(known.joined(separator: " or "));"
        + " the checkpoint may be newer than this program"
    case .invalidText(let offset):
      "encoding text: byte \(offset) is not UTF-8; convert the text to UTF-8 first"
    case .textTooLong(let byteCount, let limit):
      "encoding text: a document of \(ByteCount(byteCount)) is longer than "
        + "\(ByteCount(limit)), the most this tokenizer takes at once; split the document"
    case .encodingFailed(let reason):
      "encoding text: SentencePiece refused it: \(reason)"
    case .splittingFailed(let pattern, let reason):
      "encoding text: PCRE2 gave up on the tokenizer's split pattern \(pattern.prefix(80)): "
        + reason
    case .outOfMemory(let action):
      "\(action): out of memory; free some, or split the document"
    }
  }
}
