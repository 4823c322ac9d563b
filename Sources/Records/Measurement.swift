import Storage

/// The result of measurements before a run's first step: the event `analysis`.
public enum Measurement: JSONRecord {
  /// Which tensors to train, and at which learning rate.
  case contributions(AnalysisRecord)
  /// The learning rate alone.
  case learningRate(CalibrationRecord)

  /// Time that the measurement took.
  public var seconds: Double {
    switch self {
    case .contributions(let record): record.seconds
    case .learningRate(let record): record.seconds
    }
  }

  public var json: JSONValue {
    switch self {
    case .contributions(let record): record.json
    case .learningRate(let record): record.json
    }
  }

  /// Tells the cases apart by `candidates`, which only an analysis of contributions has.
  public init(_ json: JSONValue) {
    self =
      json["candidates"] == nil
      ? .learningRate(CalibrationRecord(json)) : .contributions(AnalysisRecord(json))
  }
}

/// One short run of a learning-rate calibration.
public struct CalibrationPoint: JSONRecord {
  public var rate: Double
  /// Loss on held-out windows, in nats; nil if the run diverged.
  public var loss: Double?

  public init(rate: Double, loss: Double?) {
    self.rate = rate
    self.loss = loss.flatMap { $0.isFinite ? $0 : nil }
  }

  public init?(_ json: JSONValue) {
    guard let rate = json[0]?.double else { return nil }
    self.init(rate: rate, loss: json[1]?.double)
  }

  /// JSON form: `[rate, loss]`.
  public var json: JSONValue { [.number(rate), .optional(loss)] }
}

/// A method's calibrated learning rate: `learning_rate.json`.
public struct CalibrationRecord: JSONRecord {
  /// Hash of everything that the result depends on: model, text, settings.
  public var key: String
  public var learningRate: Double
  /// Points sorted by learning rate; empty if the run is too short to calibrate.
  public var calibration: [CalibrationPoint]
  public var seconds: Double

  public init(key: String, learningRate: Double, calibration: [CalibrationPoint], seconds: Double) {
    self.key = key
    self.learningRate = learningRate
    self.calibration = calibration
    self.seconds = seconds
  }

  public init(_ json: JSONValue) {
    self.init(
      key: json.string("key"), learningRate: json.double("learning_rate"),
      calibration: json.records("calibration"), seconds: json.double("seconds"))
  }

  public var json: JSONValue {
    [
      "type": "analysis", "key": .string(key), "learning_rate": .number(learningRate),
      "calibration": .array(calibration.map(\.json)), "seconds": .number(seconds),
    ]
  }
}
