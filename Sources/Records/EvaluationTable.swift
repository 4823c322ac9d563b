import Storage

/// A figure with its 95 % interval.
public struct EstimateRecord: Hashable, Sendable {
  public var value: Double
  /// Nil where too few items tell.
  public var interval: ClosedRange<Double>?

  public init(_ value: Double, _ interval: ClosedRange<Double>?) {
    self.value = value
    self.interval = interval
  }

  var members: [(String, JSONValue)] {
    [
      ("value", .number(value)), ("low", .optional(interval?.lowerBound)),
      ("high", .optional(interval?.upperBound)),
    ]
  }
}

/// Models side by side on several data sets: `eval --json` of tasks, or of more than one model.
public struct EvaluationTable: Hashable, Sendable {
  /// What is measured.
  public enum Measure: String, Hashable, Sendable {
    /// Shares of the items: the likeliest choice is right, the likeliest by its mean over characters
    /// is, the greedy text is the target.
    case accuracy
    case normalisedAccuracy = "accuracy_normalised"
    case exactMatch = "exact_match"
    /// Nats per scored token: of a text, or of targets only.
    case loss
  }

  /// One model's figure of one measure.
  public struct Figure: Hashable, Sendable {
    public var measure: Measure
    public var estimate: EstimateRecord
    /// This model's figure minus the first model's, paired by item; nil for the first model.
    public var difference: EstimateRecord?

    public init(measure: Measure, estimate: EstimateRecord, difference: EstimateRecord?) {
      self.measure = measure
      self.estimate = estimate
      self.difference = difference
    }
  }

  /// A data set with the figures of each model, in the models' order.
  public struct DataSet: Hashable, Sendable {
    public var name: String
    /// "text", "choices" or "target".
    public var kind: String
    /// Number of questions, or of a text's windows.
    public var items: Int
    /// Number of scored tokens, summed over all continuations.
    public var tokens: Int
    public var figures: [[Figure]] = []

    public init(name: String, kind: String, items: Int, tokens: Int) {
      self.name = name
      self.kind = kind
      self.items = items
      self.tokens = tokens
    }
  }

  /// Names of the models; the first is what the others are compared with.
  public var models: [String]
  public var data: [DataSet]
  /// Element type that matmuls multiply.
  public var precision: String
  public var peakResidentBytes: Int

  public init(models: [String], data: [DataSet], precision: String, peakResidentBytes: Int) {
    self.models = models
    self.data = data
    self.precision = precision
    self.peakResidentBytes = peakResidentBytes
  }

  public var json: JSONValue {
    [
      "models": .array(models.map { .string($0) }), "data": .array(data.map(json)),
      "precision": .string(precision), "peak_rss_bytes": .int(peakResidentBytes),
    ]
  }

  private func json(_ data: DataSet) -> JSONValue {
    let scores = zip(models, data.figures).map { model, figures -> JSONValue in
      var object: JSONObject = ["model": .string(model)]
      for figure in figures {
        let difference = figure.difference.map { JSONValue.object(JSONObject($0.members)) }
        object[figure.measure.rawValue] = .object(
          JSONObject(
            figure.estimate.members + (difference.map { [("difference", $0)] } ?? [])))
      }
      return .object(object)
    }
    return [
      "name": .string(data.name), "kind": .string(data.kind), "items": .int(data.items),
      "tokens": .int(data.tokens), "scores": .array(scores),
    ]
  }
}
