import Tensors

/// What went wrong with a tokenizer or with text that it was to encode.
public enum TokenizerError: Failure {
  /// The model's bytes can't be trusted or understood; `reason` names the field.
  case invalidModel(reason: String)
  /// A checkpoint's tokenizer is of a kind that this program does not have.
  case unknownKind(String, known: [String])
  /// Text that is not UTF-8: the byte at `offset`, counted from the text's start, begins no character.
  case invalidText(offset: Int)
  /// One text of more bytes than the tokenizer can count.
  case textTooLong(byteCount: Int, limit: Int)
  /// The library refused the text, in its own words.
  case encodingFailed(reason: String)
  /// Memory ran out while doing what `action` says.
  case outOfMemory(action: String)

  public var category: FailureCategory {
    switch self {
    case .invalidModel, .unknownKind, .invalidText, .textTooLong, .encodingFailed: .badData
    case .outOfMemory: .inputOutput
    }
  }

  public var description: String {
    switch self {
    case .invalidModel(let reason):
      "loading the SentencePiece model: \(reason); the file may be cut short or damaged: "
        + "copy or import it again"
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
    case .outOfMemory(let action):
      "\(action): out of memory; free some, or split the document"
    }
  }
}
