import Storage

/// What one run of a comparison took and reached: an object of `compare --json`. Losses are means
/// over the held-out tokens in nats; nil without held-out text.
public struct ComparisonRow: Hashable, Sendable {
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
  /// "finished" or "early_stopping".
  public var reason = "finished"
  public var curve = LossCurve([])

  public init(method: String, label: String, seed: Int) {
    self.method = method
    self.label = label
    self.seed = seed
  }

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
      "delta_bytes": deltaBytes.map { .int($0) } ?? .null,
      "flops_per_token": .number(flopsPerToken), "learning_rate": .number(learningRate),
      "reason": .string(reason), "curve": curve.json,
    ]
  }
}

/// Which weights a comparison judges; the raw value is the row's key.
public enum CountedLoss: String, Hashable, Sendable {
  /// Those at the end of training.
  case final = "final_validation_loss"
  /// Those of the best snapshot.
  case best = "best_validation_loss"
}

extension ComparisonRow {
  /// The held-out loss that counts.
  public func loss(_ counted: CountedLoss) -> Double? {
    counted == .final ? finalLoss : bestLoss
  }

  /// The curve of the weights that count.
  public func curve(_ counted: CountedLoss) -> LossCurve {
    counted == .final ? curve : curve.ofBestSnapshots
  }

  /// The loss at the training time at which `reference`, a run of the same seed, had finished.
  public func lossAtEqualTime(
    with reference: ComparisonRow, _ counted: CountedLoss
  ) -> Double? {
    reference.curve.finalSeconds.flatMap { curve(counted).loss(at: $0) }
  }

  /// The training time until the loss is down to the one `reference` ends with; nil if it never is.
  public func seconds(
    toLossOf reference: ComparisonRow, _ counted: CountedLoss
  ) -> Double? {
    reference.loss(counted).flatMap { curve(counted).seconds(toReach: $0) }
  }
}

extension JSONValue {
  /// A number, or null for nil.
  static func optional(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
}
