import Storage

/// What a model's own files say about its tokenizer beyond the tokenizer's bytes: the tokens that
/// begin and end a sequence, and how chats are written.
public struct TokenizerSettings: Hashable, Sendable {
  /// Where a special token's id comes from.
  public enum SpecialToken: Hashable, Sendable {
    /// From the tokenizer's bytes.
    case stored
    /// There is no such token, whatever the bytes say.
    case absent
    /// This id, whatever the bytes say.
    case id(Int32)
  }

  /// BOS.
  public var beginOfSequence = SpecialToken.stored
  /// EOS, which ends a document.
  public var endOfSequence = SpecialToken.stored
  /// Whether documents and prompts begin with BOS, if there is one.
  public var addsBeginOfSequence = true
  /// Ids that end generated text beside EOS, such as the end of a chat's turn.
  public var endsOfText: [Int32] = []
  /// Whether a text behind a control token goes on from it, so that only the first text of a
  /// sequence gets a space before it; nil for what the tokenizer's bytes say.
  public var continuesBehindControls: Bool?
  /// The model's own chat template (Jinja); nil if its files carry none.
  public var chatTemplate: String?

  /// Settings that leave everything to the tokenizer's bytes.
  public init() {}
}

extension TokenizerSettings {
  private static let beginKey = "begin_of_sequence"
  private static let endKey = "end_of_sequence"
  private static let addsBeginKey = "adds_begin_of_sequence"
  private static let endsKey = "ends_of_text"
  private static let continuesKey = "continues_behind_controls"
  private static let templateKey = "chat_template"
  static let keys = [beginKey, endKey, addsBeginKey, endsKey, continuesKey, templateKey]

  /// Members of a checkpoint's header; default values are not written.
  var json: JSONObject {
    var object = JSONObject()
    object[Self.beginKey] = beginOfSequence.json
    object[Self.endKey] = endOfSequence.json
    if !addsBeginOfSequence { object[Self.addsBeginKey] = false }
    if !endsOfText.isEmpty { object[Self.endsKey] = .array(endsOfText.map { .int(Int($0)) }) }
    object[Self.continuesKey] = continuesBehindControls.map { .bool($0) }
    object[Self.templateKey] = chatTemplate.map { .string($0) }
    return object
  }

  /// Reads the members of a checkpoint's header.
  /// - Parameter vocabularySize: rows of the model's embedding; ids are below it.
  /// - Throws: `CheckpointError.damaged` for a member of another type, or an id out of range.
  init(_ fields: JSONFields, vocabularySize: Int) throws(CheckpointError) {
    func token(_ key: String) throws(CheckpointError) -> SpecialToken {
      switch fields.object[key] {
      case nil: return .stored
      case .null: return .absent
      case .some: return .id(Int32(try fields.int(key, in: 0...vocabularySize - 1)))
      }
    }
    beginOfSequence = try token(Self.beginKey)
    endOfSequence = try token(Self.endKey)
    if fields.object[Self.addsBeginKey] != nil {
      addsBeginOfSequence = try fields.bool(Self.addsBeginKey)
    }
    if fields.object[Self.endsKey] != nil {
      for value in try fields.array(Self.endsKey) {
        guard let id = value.int, (0..<vocabularySize).contains(id) else {
          throw fields.problem(Self.endsKey, value, "ids from 0 to \(vocabularySize - 1)")
        }
        endsOfText.append(Int32(id))
      }
    }
    if fields.object[Self.continuesKey] != nil {
      continuesBehindControls = try fields.bool(Self.continuesKey)
    }
    if fields.object[Self.templateKey] != nil {
      chatTemplate = try fields.string(Self.templateKey)
    }
  }
}

extension TokenizerSettings.SpecialToken {
  /// The value of a header's member; nil where it is not written.
  fileprivate var json: JSONValue? {
    switch self {
    case .stored: nil
    case .absent: .null
    case .id(let id): .int(Int(id))
    }
  }
}
