import Storage

/// The results of one run of a comparison: an object of `compare --json`. Losses are means over the
/// held-out tokens in nats; nil without held-out text.
public struct ComparisonRow: JSONRecord {
  /// The method's `type`.
  public var method: String
  /// The label of the method in the comparison; unique among its methods.
  public var label: String
  public var seed: Int
  public var trainableParameters = 0
  public var initialLoss: Double?
  /// Loss with the weights at the end of training.
  public var finalLoss: Double?
  /// Loss with the weights of the best snapshot.
  public var bestLoss: Double?
  /// Tokens trained on, over all steps.
  public var tokens = 0
  /// Training throughput: tokens over the time spent in training steps.
  public var tokensPerSecond = 0.0
  /// Wall-clock time of the whole run, including validations and snapshots.
  public var seconds = 0.0
  /// Time spent choosing tensors and learning rates before the first step.
  public var analysisSeconds = 0.0
  /// Total time of all steps, without validations and analysis.
  public var trainingSeconds = 0.0
  public var plannedBytes = 0
  public var peakResidentBytes = 0
  /// Size of `best/trained.sfdelta`; nil if there is none.
  public var deltaBytes: Int?
  /// Floating-point operations of a training step per token.
  public var flopsPerToken = 0.0
  /// Peak learning rate of the schedule.
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

  /// Nil if the label is missing.
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
