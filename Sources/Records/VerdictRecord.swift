import Storage

/// Which method won, as a sentence and as figures: the last line of `compare --json`.
public struct VerdictRecord: JSONRecord {
  public var text: String
  public var outcome: Outcome
  /// The label of the judged method; nil if nothing can be compared.
  public var method: String?
  public var reference: String
  public var counted: CountedLoss
  /// The method's loss minus the reference's, in nats, paired by seed.
  public var difference: SampleRecord

  /// How the judged method did against the reference.
  public enum Outcome: String, Hashable, Sendable {
    case win, loss, noise
    /// There is nothing to compare.
    case undecided
  }

  public init(
    text: String, outcome: Outcome, method: String?, reference: String, counted: CountedLoss,
    difference: SampleRecord
  ) {
    self.text = text
    self.outcome = outcome
    self.method = method
    self.reference = reference
    self.counted = counted
    self.difference = difference
  }

  public var json: JSONValue {
    [
      "type": "verdict", "text": .string(text), "outcome": .string(outcome.rawValue),
      "method": .optional(method), "reference": .string(reference),
      "counted_loss": .string(counted.rawValue), "difference": difference.json,
    ]
  }

  /// Nil if the sentence is missing.
  public init?(_ json: JSONValue) {
    guard let text = json["text"]?.string else { return nil }
    self.init(
      text: text, outcome: Outcome(rawValue: json.string("outcome")) ?? .undecided,
      method: json["method"]?.string, reference: json.string("reference"),
      counted: CountedLoss(rawValue: json.string("counted_loss")) ?? .final,
      difference: SampleRecord(json["difference"] ?? .null))
  }
}
