import Storage

/// Content hashes of a run's token ids, so that a resumed run notices another text.
public struct TextHashes: Hashable, Sendable {
  public var training: String
  /// Nil without held-out text.
  public var validation: String?
  /// Nil without a guard.
  public var lossGuard: String?

  public init(training: String, validation: String?, lossGuard: String? = nil) {
    self.training = training
    self.validation = validation
    self.lossGuard = lossGuard
  }

  /// Nil for anything but an object: training states of earlier versions have none.
  public init?(_ json: JSONValue) {
    guard json.object != nil else { return nil }
    self.init(
      training: json.string("training"), validation: json["validation"]?.string,
      lossGuard: json["guard"]?.string)
  }

  public var json: JSONValue {
    var object: JSONObject = [
      "training": .string(training), "validation": validation.map { .string($0) } ?? .null,
    ]
    if let lossGuard { object["guard"] = .string(lossGuard) }
    return .object(object)
  }
}
