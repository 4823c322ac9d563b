import Storage

/// Seconds of one step by phase.
public struct PhaseSeconds: JSONRecord {
  public var data: Double
  public var forward: Double
  public var backward: Double
  public var update: Double

  public init(data: Double = 0, forward: Double = 0, backward: Double = 0, update: Double = 0) {
    self.data = data
    self.forward = forward
    self.backward = backward
    self.update = update
  }

  public init(_ json: JSONValue) {
    self.init(
      data: json.double("data"), forward: json.double("forward"),
      backward: json.double("backward"), update: json.double("update"))
  }

  public var json: JSONValue {
    [
      "data": .number(data), "forward": .number(forward), "backward": .number(backward),
      "update": .number(update),
    ]
  }
}

/// One optimizer step: the event `step`.
public struct StepReport: JSONRecord {
  public var step: Int
  /// Passes over the training windows, as a fraction.
  public var epoch = 0.0
  /// Mean loss over the step's targets that count, in nats; 0 if there are none.
  public var loss = 0.0
  public var learningRate = 0.0
  /// Norm of the gradient before clipping.
  public var gradientNorm = 0.0
  /// Number of tokens in this step.
  public var tokens = 0
  public var seconds = 0.0
  public var phases = PhaseSeconds()
  public var residentBytes = 0
  public var peakResidentBytes = 0
  public var plannedBytes = 0
  public var elapsedSeconds = 0.0
  public var etaSeconds = 0.0
  /// What the machine's processors took meanwhile; nil where they do not count it.
  public var joules: Double?

  public init(step: Int) { self.step = step }

  public var tokensPerSecond: Double { Double(tokens) / max(seconds, 1e-9) }

  public var joulesPerToken: Double? { joules.map { $0 / Double(max(1, tokens)) } }
}

extension StepReport {
  public var json: JSONValue {
    var object: JSONObject = [
      "type": "step", "step": .int(step), "epoch": .number(epoch), "loss": .number(loss),
      "learning_rate": .number(learningRate), "grad_norm": .number(gradientNorm),
      "tokens": .int(tokens), "tokens_per_second": .number(tokensPerSecond),
      "step_seconds": .number(seconds), "phase_seconds": phases.json,
      "rss_bytes": .int(residentBytes), "peak_rss_bytes": .int(peakResidentBytes),
      "planned_bytes": .int(plannedBytes), "elapsed_seconds": .number(elapsedSeconds),
      "eta_seconds": .number(etaSeconds),
    ]
    if let joules {
      object["joules"] = .number(joules)
      object["joules_per_token"] = .optional(joulesPerToken)
    }
    return .object(object)
  }

  /// Nil if the step's number is missing.
  public init?(_ json: JSONValue) {
    guard let step = json["step"]?.int else { return nil }
    self.init(step: step)
    epoch = json.double("epoch")
    loss = json["loss"]?.double ?? .nan
    learningRate = json.double("learning_rate")
    gradientNorm = json.double("grad_norm")
    tokens = json.int("tokens")
    seconds = json.double("step_seconds")
    phases = PhaseSeconds(json["phase_seconds"] ?? .null)
    residentBytes = json.int("rss_bytes")
    peakResidentBytes = json.int("peak_rss_bytes")
    plannedBytes = json.int("planned_bytes")
    elapsedSeconds = json.double("elapsed_seconds")
    etaSeconds = json.double("eta_seconds")
    joules = json["joules"]?.double
  }
}
