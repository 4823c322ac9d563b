import Storage

/// The weights whose loss a comparison judges; the raw value is the row's JSON key.
public enum CountedLoss: String, Hashable, Sendable {
  /// The weights at the end of training.
  case final = "final_validation_loss"
  /// The weights of the best snapshot.
  case best = "best_validation_loss"
}

/// All runs of a comparison and its verdict: `compare.json`.
public struct ComparisonRecord: JSONRecord {
  /// False while runs are missing.
  public var isComplete: Bool
  /// The label of the recipe's own method.
  public var subject: String
  /// The label of the method that the others are compared with.
  public var reference: String
  public var counted: CountedLoss
  /// Runs in the order they finished.
  public var rows: [ComparisonRow] = []
  public var summaries: [SummaryRecord] = []
  /// Methods that could not run.
  public var leftOut: [LeftOut] = []
  /// Nil while runs are missing.
  public var verdict: VerdictRecord?

  /// A method that could not run, and why.
  public struct LeftOut: JSONRecord {
    public let label: String
    public let seed: Int
    public let reason: String

    public init(label: String, seed: Int, reason: String) {
      self.label = label
      self.seed = seed
      self.reason = reason
    }

    public init(_ json: JSONValue) {
      self.init(
        label: json.string("label"), seed: json.int("seed"), reason: json.string("reason"))
    }

    public var json: JSONValue {
      ["label": .string(label), "seed": .int(seed), "reason": .string(reason)]
    }
  }

  public init(isComplete: Bool, subject: String, reference: String, counted: CountedLoss) {
    self.isComplete = isComplete
    self.subject = subject
    self.reference = reference
    self.counted = counted
  }
}

extension ComparisonRecord {
  public var json: JSONValue {
    [
      "complete": .bool(isComplete), "subject": .string(subject),
      "reference": .string(reference), "counted_loss": .string(counted.rawValue),
      "rows": .array(rows.map(\.json)), "summaries": .array(summaries.map(\.json)),
      "left_out": .array(leftOut.map(\.json)), "verdict": verdict?.json ?? .null,
    ]
  }

  public init(_ json: JSONValue) {
    self.init(
      isComplete: json.bool("complete"), subject: json.string("subject"),
      reference: json.string("reference"),
      counted: CountedLoss(rawValue: json.string("counted_loss")) ?? .final)
    rows = json.records("rows")
    summaries = json.records("summaries")
    leftOut = json.records("left_out")
    verdict = VerdictRecord(json["verdict"] ?? .null)
  }
}
