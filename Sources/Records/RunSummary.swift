import Storage

/// Why a run ended.
public enum EndReason: String, Hashable, Sendable, CaseIterable {
  /// All steps were done.
  case finished
  /// `run.early_stopping` validations in a row brought no new best.
  case earlyStopping = "early_stopping"
  /// The run was asked to stop.
  case interrupted
}

/// How a run ended: the event `done`, and `summary.json`.
public struct RunSummary: JSONRecord {
  public var steps = 0
  public var tokens = 0
  /// Losses are means over the held-out tokens in nats; nil without held-out text.
  public var initialValidationLoss: Double?
  public var finalValidationLoss: Double?
  public var bestValidationLoss: Double?
  /// Training throughput: tokens over the time spent in training steps.
  public var tokensPerSecond = 0.0
  public var peakResidentBytes = 0
  public var plannedBytes = 0
  public var seconds = 0.0
  public var reason = EndReason.finished
  /// Of the steps that were measured; nil where the machine does not count energy.
  public var joulesPerToken: Double?
  /// The guard's text as it was scored last; nil without a guard.
  public var lossGuard: GuardReport?

  public init() {}
}

extension RunSummary {
  public var json: JSONValue {
    var object: JSONObject = [
      "type": "done", "steps": .int(steps), "tokens": .int(tokens),
      "initial_validation_loss": .optional(initialValidationLoss),
      "final_validation_loss": .optional(finalValidationLoss),
      "best_validation_loss": .optional(bestValidationLoss),
      "tokens_per_second": .number(tokensPerSecond), "peak_rss_bytes": .int(peakResidentBytes),
      "planned_bytes": .int(plannedBytes), "seconds": .number(seconds),
      "reason": .string(reason.rawValue),
    ]
    if let joulesPerToken { object["joules_per_token"] = .number(joulesPerToken) }
    if let lossGuard { object["guard"] = .object(JSONObject(lossGuard.members)) }
    return .object(object)
  }

  public init(_ json: JSONValue) {
    self.init()
    steps = json.int("steps")
    tokens = json.int("tokens")
    initialValidationLoss = json["initial_validation_loss"]?.double
    finalValidationLoss = json["final_validation_loss"]?.double
    bestValidationLoss = json["best_validation_loss"]?.double
    tokensPerSecond = json.double("tokens_per_second")
    peakResidentBytes = json.int("peak_rss_bytes")
    plannedBytes = json.int("planned_bytes")
    seconds = json.double("seconds")
    reason = EndReason(rawValue: json.string("reason")) ?? .finished
    joulesPerToken = json["joules_per_token"]?.double
    lossGuard = json["guard"].flatMap { GuardReport($0) }
  }
}
