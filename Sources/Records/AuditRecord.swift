import Storage

/// What was tried against a delta, and what came out: `audit --json`.
public struct AuditRecord: JSONRecord {
  /// Content hashes.
  public var delta: String
  public var base: String
  /// The method that the delta says it was made by.
  public var method: String
  public var sequenceLength: Int
  /// Windows of the text that may have been trained on, and of the text that was not.
  public var trainWindows: Int
  public var heldOutWindows: Int
  public var span = SpanRecord()
  /// Nil where the texts have too few windows.
  public var membership: MembershipRecord?
  public var extraction: ExtractionRecord?
  /// Nil without shadow runs.
  public var exposure: ExposureRecord?
  /// What it comes to, a sentence each.
  public var verdict: [String] = []
  /// Whether anything of the text was shown to leak.
  public var leaks = false
  public var seconds = 0.0

  public init(
    delta: String, base: String, method: String, sequenceLength: Int, trainWindows: Int,
    heldOutWindows: Int
  ) {
    (self.delta, self.base, self.method) = (delta, base, method)
    self.sequenceLength = sequenceLength
    (self.trainWindows, self.heldOutWindows) = (trainWindows, heldOutWindows)
  }

  /// Nil if the delta's hash is missing.
  public init?(_ json: JSONValue) {
    guard let delta = json["delta"]?.string else { return nil }
    self.init(
      delta: delta, base: json.string("base"), method: json.string("method"),
      sequenceLength: json.int("sequence_length"), trainWindows: json.int("train_windows"),
      heldOutWindows: json.int("heldout_windows"))
    span = SpanRecord(json["span"] ?? .null)
    membership = json["membership"].flatMap(MembershipRecord.init)
    extraction = json["extraction"].flatMap(ExtractionRecord.init)
    exposure = json["exposure"].flatMap(ExposureRecord.init)
    verdict = (json["verdict"]?.array ?? []).compactMap(\.string)
    leaks = json.bool("leaks")
    seconds = json.double("seconds")
  }

  public var json: JSONValue {
    [
      "leaks": .bool(leaks), "verdict": .array(verdict.map { .string($0) }),
      "delta": .string(delta), "base": .string(base), "method": .string(method),
      "sequence_length": .int(sequenceLength), "train_windows": .int(trainWindows),
      "heldout_windows": .int(heldOutWindows), "span": span.json,
      "membership": membership?.json ?? .null, "extraction": extraction?.json ?? .null,
      "exposure": exposure?.json ?? .null, "seconds": .number(seconds),
    ]
  }
}
