import Checkpoints
import Storage
import Tokenizers

/// What a Hugging Face folder's JSON files say of a tokenizer's special tokens.
struct HuggingFaceSettings {
  var settings = TokenizerSettings()
  /// Tokens that the files name and the tokenizer lacks, in words.
  private(set) var leftOut: [String] = []
  private let tokenizer: any Tokenizer
  private let dropsForeign: Bool

  /// - Parameter dropsForeign: whether ids that the tokenizer lacks are left out, not refused.
  init(_ tokenizer: any Tokenizer, dropsForeign: Bool) {
    self.tokenizer = tokenizer
    self.dropsForeign = dropsForeign
  }

  private static let endsKey = "eos_token_id"

  /// Whether a file names the ids that end generated text.
  static func hasEnds(_ file: JSONFields?) -> Bool {
    file?.object[endsKey].map { !$0.isNull } ?? false
  }

  /// Reads `tokenizer_config.json`.
  mutating func read(_ config: JSONFields) throws(CheckpointError) {
    let (begin, end) = (try token("bos_token", config), try token("eos_token", config))
    if let begin, begin != tokenizer.beginOfSequence { settings.beginOfSequence = .id(begin) }
    if let end, end != tokenizer.endOfSequence { settings.endOfSequence = .id(end) }
    guard begin ?? tokenizer.beginOfSequence != nil else { return }
    let key = "add_bos_token"
    if let adds = config.object[key], !adds.isNull {
      settings.addsBeginOfSequence = try config.bool(key)
    } else {
      // A SentencePiece model's class adds it; a tokenizer.json has a template that says so.
      settings.addsBeginOfSequence = tokenizer.beginOfSequence != nil
    }
  }

  /// The id of a token that a member spells; nil if the member is absent or the tokenizer lacks it.
  private mutating func token(
    _ key: String, _ config: JSONFields
  ) throws(CheckpointError) -> Int32? {
    guard let value = config.object[key], !value.isNull else { return nil }
    guard let spelling = value.string ?? value["content"]?.string else {
      throw config.problem(key, value, "a token's text")
    }
    let id =
      tokenizer.controlID(spelling)
      ?? (0..<Int32(tokenizer.vocabularySize)).first { tokenizer.piece(of: $0) == spelling }
    if id == nil, dropsForeign { leftOut.append("\(key) '\(spelling.prefix(40))'") }
    return id
  }

  /// Reads the ids that end generated text from `generation_config.json` or `config.json`.
  mutating func readEnds(_ file: JSONFields) throws(CheckpointError) {
    let key = Self.endsKey
    guard let value = file.object[key], !value.isNull else { return }
    for item in value.array ?? [value] {
      guard let number = item.int, number >= 0 else {
        throw file.problem(key, value, "ids below \(tokenizer.vocabularySize)")
      }
      guard number < tokenizer.vocabularySize else {
        guard dropsForeign else {
          throw file.problem(key, value, "ids below \(tokenizer.vocabularySize)")
        }
        leftOut.append("\(key) \(number)")
        continue
      }
      add(end: Int32(number))
    }
  }

  private mutating func add(end id: Int32) {
    let known = settings.endOfSequence == .stored ? tokenizer.endOfSequence : nil
    if settings.endOfSequence == .stored, known == nil {
      settings.endOfSequence = .id(id)
    } else if settings.endOfSequence != .id(id), known != id, !settings.endsOfText.contains(id) {
      settings.endsOfText.append(id)
    }
  }
}
