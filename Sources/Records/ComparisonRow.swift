import Storage

/// What one run of a comparison took and reached: an object of `compare --json`. Losses are means
/// over the held-out tokens in nats; nil without held-out text.
public struct ComparisonRow: JSONRecord {
  /// The method's `type`.
  public var method: String
  /// What the comparison calls the method; no other method of it has this name.
  public var label: String
  public var seed: Int
  public var trainableParameters = 0
  public var initialLoss: Double?
  /// With the weights at the end.
  public var finalLoss: Double?
  /// With the weights of the best snapshot.
  public var bestLoss: Double?
  /// Trained on in all steps.
  public var tokens = 0
  /// Over the time spent in training steps.
  public var tokensPerSecond = 0.0
  /// The whole run by the clock, validations and snapshots included.
  public var seconds = 0.0
  /// Spent on choosing tensors and rates before the first step.
  public var analysisSeconds = 0.0
  /// The sum over all steps, without validations and analysis.
  public var trainingSeconds = 0.0
  public var plannedBytes = 0
  public var peakResidentBytes = 0
  /// The size of `best/trained.sfdelta`; nil where there is none.
  public var deltaBytes: Int?
  /// Floating-point operations of a training step by its tokens.
  public var flopsPerToken = 0.0
  /// The schedule's peak.
  public var learningRate = 0.0
  public var reason = EndReason.finished
  public var curve = LossCurve([])

  public init(method: String, label: String, seed: Int) {
    self.method = method
    self.label = label
    self.seed = seed
  }
}

extension ComparisonRow {
  /// The row with the keys that scripts rely on.
  public var json: JSONValue {
    [
      "method": .string(method), "label": .string(label), "seed": .int(seed),
      "trainable_parameters": .int(trainableParameters),
      "initial_validation_loss": .optional(initialLoss),
      "final_validation_loss": .optional(finalLoss),
      "best_validation_loss": .optional(bestLoss), "tokens": .int(tokens),
      "tokens_per_second": .number(tokensPerSecond), "seconds": .number(seconds),
      "analysis_seconds": .number(analysisSeconds), "training_seconds": .number(trainingSeconds),
      "planned_bytes": .int(plannedBytes), "peak_rss_bytes": .int(peakResidentBytes),
      "delta_bytes": .optional(deltaBytes), "flops_per_token": .number(flopsPerToken),
      "learning_rate": .number(learningRate), "reason": .string(reason.rawValue),
      "curve": curve.json,
    ]
  }

  /// Nil without a label.
  public init?(_ json: JSONValue) {
    guard let label = json["label"]?.string else { return nil }
    self.init(method: json.string("method"), label: label, seed: json.int("seed"))
    trainableParameters = json.int("trainable_parameters")
    initialLoss = json["initial_validation_loss"]?.double
    finalLoss = json["final_validation_loss"]?.double
    bestLoss = json["best_validation_loss"]?.double
    tokens = json.int("tokens")
    tokensPerSecond = json.double("tokens_per_second")
    seconds = json.double("seconds")
    analysisSeconds = json.double("analysis_seconds")
    trainingSeconds = json.double("training_seconds")
    plannedBytes = json.int("planned_bytes")
    peakResidentBytes = json.int("peak_rss_bytes")
    deltaBytes = json["delta_bytes"]?.int
    flopsPerToken = json.double("flops_per_token")
    learningRate = json.double("learning_rate")
    reason = EndReason(rawValue: json.string("reason")) ?? .finished
    curve = LossCurve(json["curve"] ?? .null)
  }
}
