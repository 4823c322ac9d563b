import Storage

/// What `transformers` must be told of a tokenizer, beside its file and its special tokens.
public struct HuggingFaceTokenizer: Hashable, Sendable {
  /// Members of `tokenizer_config.json`.
  public var members: JSONObject
  /// What a person should know, a sentence each.
  public var notes: [String]

  public init(_ members: JSONObject, notes: [String] = []) {
    self.members = members
    self.notes = notes
  }
}
