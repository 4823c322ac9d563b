import Storage

/// A method's runs over all seeds, compared with the reference's: a line of `compare --json`.
public struct SummaryRecord: JSONRecord {
  public var label: String
  /// The method's `type`.
  public var method: String
  /// Number of runs, one per seed.
  public var seeds: Int
  public var finalLoss: SampleRecord
  public var bestLoss: SampleRecord
  /// The judged loss minus the reference's, in nats, paired by seed.
  public var difference: SampleRecord
  public var tokensPerSecond = 0.0
  public var plannedBytes = 0
  public var peakResidentBytes = 0
  public var trainableParameters = 0
  public var deltaBytes: Int?
  public var analysisSeconds = 0.0
  public var trainingSeconds = 0.0
  public var seconds = 0.0
  /// The loss at the training time at which the reference had finished.
  public var lossAtEqualTime: SampleRecord
  /// Training time until the loss reaches the reference's final loss.
  public var timeToReferenceLoss: Reached
  /// That time as a multiple of the reference's own.
  public var timeRatio: SampleRecord

  /// Mean seconds over the seeds that reach the reference's loss.
  public struct Reached: JSONRecord {
    public var mean: Double?
    public var seeds: Int
    /// Number of seeds for which the reference has a loss to compare with.
    public var of: Int

    public init(mean: Double?, seeds: Int, of: Int) {
      self.mean = mean
      self.seeds = seeds
      self.of = of
    }

    public init(_ json: JSONValue) {
      self.init(mean: json["mean"]?.double, seeds: json.int("reached"), of: json.int("of"))
    }

    public var json: JSONValue {
      ["mean": .optional(mean), "reached": .int(seeds), "of": .int(of)]
    }
  }

  public init(
    label: String, method: String, seeds: Int, finalLoss: SampleRecord, bestLoss: SampleRecord,
    difference: SampleRecord, lossAtEqualTime: SampleRecord, timeToReferenceLoss: Reached,
    timeRatio: SampleRecord
  ) {
    self.label = label
    self.method = method
    self.seeds = seeds
    self.finalLoss = finalLoss
    self.bestLoss = bestLoss
    self.difference = difference
    self.lossAtEqualTime = lossAtEqualTime
    self.timeToReferenceLoss = timeToReferenceLoss
    self.timeRatio = timeRatio
  }
}

extension SummaryRecord {
  public var json: JSONValue {
    [
      "type": "summary", "label": .string(label), "method": .string(method),
      "seeds": .int(seeds), "final_validation_loss": finalLoss.json,
      "best_validation_loss": bestLoss.json, "difference_to_reference": difference.json,
      "tokens_per_second": .number(tokensPerSecond), "planned_bytes": .int(plannedBytes),
      "peak_rss_bytes": .int(peakResidentBytes),
      "trainable_parameters": .int(trainableParameters), "delta_bytes": .optional(deltaBytes),
      "analysis_seconds": .number(analysisSeconds), "training_seconds": .number(trainingSeconds),
      "seconds": .number(seconds), "loss_at_equal_time": lossAtEqualTime.json,
      "seconds_to_reference_loss": timeToReferenceLoss.json, "time_ratio": timeRatio.json,
    ]
  }

  /// Nil if the label is missing.
  public init?(_ json: JSONValue) {
    guard let label = json["label"]?.string else { return nil }
    func sample(_ key: String) -> SampleRecord { SampleRecord(json[key] ?? .null) }
    self.init(
      label: label, method: json.string("method"), seeds: json.int("seeds"),
      finalLoss: sample("final_validation_loss"), bestLoss: sample("best_validation_loss"),
      difference: sample("difference_to_reference"), lossAtEqualTime: sample("loss_at_equal_time"),
      timeToReferenceLoss: Reached(json["seconds_to_reference_loss"] ?? .null),
      timeRatio: sample("time_ratio"))
    tokensPerSecond = json.double("tokens_per_second")
    plannedBytes = json.int("planned_bytes")
    peakResidentBytes = json.int("peak_rss_bytes")
    trainableParameters = json.int("trainable_parameters")
    deltaBytes = json["delta_bytes"]?.int
    analysisSeconds = json.double("analysis_seconds")
    trainingSeconds = json.double("training_seconds")
    seconds = json.double("seconds")
  }
}
