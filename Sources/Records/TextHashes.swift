import Storage

/// Content hashes of a run's token ids, so that a resumed run notices another text.
public struct TextHashes: Hashable, Sendable {
  public var training: String
  /// Nil without held-out text.
  public var validation: String?

  public init(training: String, validation: String?) {
    self.training = training
    self.validation = validation
  }

  /// Nil for anything but an object: training states of earlier versions have none.
  public init?(_ json: JSONValue) {
    guard json.object != nil else { return nil }
    self.init(training: json.string("training"), validation: json["validation"]?.string)
  }

  public var json: JSONValue {
    ["training": .string(training), "validation": validation.map { .string($0) } ?? .null]
  }
}
