import Storage

/// How much text of a run trains and how much is held out: keys of the event `start`.
public struct TextAmounts: Hashable, Sendable {
  /// Targets in a window.
  public var sequenceLength: Int
  /// Tokens of the training text that stand in windows.
  public var trainedTokens: Int
  /// Documents of the training text; one may go on in the held-out text.
  public var trainedDocuments: Int
  public var trainedWindows: Int
  /// Tokens of the training text that no window holds: a text's last ones, or rows left out.
  public var droppedTokens: Int
  public var heldOutTokens: Int
  public var heldOutDocuments: Int

  public init(
    sequenceLength: Int, trainedTokens: Int, trainedDocuments: Int, trainedWindows: Int,
    droppedTokens: Int, heldOutTokens: Int, heldOutDocuments: Int
  ) {
    self.sequenceLength = sequenceLength
    self.trainedTokens = trainedTokens
    self.trainedDocuments = trainedDocuments
    self.trainedWindows = trainedWindows
    self.droppedTokens = droppedTokens
    self.heldOutTokens = heldOutTokens
    self.heldOutDocuments = heldOutDocuments
  }

  /// The keys and values, as `start` and `plan --json` have them.
  public var members: [(String, JSONValue)] {
    [
      ("sequence_length", .int(sequenceLength)), ("trained_tokens", .int(trainedTokens)),
      ("trained_documents", .int(trainedDocuments)), ("trained_windows", .int(trainedWindows)),
      ("dropped_tokens", .int(droppedTokens)), ("held_out_tokens", .int(heldOutTokens)),
      ("held_out_documents", .int(heldOutDocuments)),
    ]
  }

  /// - Returns: nil for an event of a program that did not say.
  init?(_ json: JSONValue) {
    guard json["trained_tokens"] != nil else { return nil }
    self.init(
      sequenceLength: json.int("sequence_length"), trainedTokens: json.int("trained_tokens"),
      trainedDocuments: json.int("trained_documents"),
      trainedWindows: json.int("trained_windows"), droppedTokens: json.int("dropped_tokens"),
      heldOutTokens: json.int("held_out_tokens"),
      heldOutDocuments: json.int("held_out_documents"))
  }
}
