import Storage

/// A pass over the guard's text: the event `guard`.
public struct GuardReport: JSONRecord {
  /// The step after which it was scored; 0 for the base.
  public var step: Int
  /// Mean over the text's tokens, in nats.
  public var loss: Double
  /// The base's.
  public var initialLoss: Double
  /// By how much the loss may be above the base's.
  public var maxIncrease: Double

  public init(step: Int, loss: Double, initialLoss: Double, maxIncrease: Double) {
    self.step = step
    self.loss = loss
    self.initialLoss = initialLoss
    self.maxIncrease = maxIncrease
  }

  /// How far the loss is above the base's, in nats.
  public var increase: Double { loss - initialLoss }

  public var isWithin: Bool { increase <= maxIncrease }
}

extension GuardReport {
  public var json: JSONValue { .object(JSONObject([("type", "guard")] + members)) }

  /// The figures, as the events `guard` and `done` have them.
  var members: [(String, JSONValue)] {
    [
      ("step", .int(step)), ("loss", .number(loss)), ("initial_loss", .number(initialLoss)),
      ("increase", .number(increase)), ("max_loss_increase", .number(maxIncrease)),
      ("within", .bool(isWithin)),
    ]
  }

  /// Nil without a step.
  public init?(_ json: JSONValue) {
    guard let step = json["step"]?.int else { return nil }
    self.init(
      step: step, loss: json["loss"]?.double ?? .nan,
      initialLoss: json["initial_loss"]?.double ?? .nan,
      maxIncrease: json.double("max_loss_increase"))
  }
}
