import Storage

/// Result of an analysis of contributions: `contributions.json`. Losses and gains are in nats.
public struct AnalysisRecord: JSONRecord {
  /// Hash of everything that the result depends on: model, text, settings.
  public var key = ""
  public var baseLoss: Double?
  public var lastBlockLoss: Double?
  public var noise: Double?
  /// Description of the held-out text that the probes are evaluated on.
  public var heldOut = ""
  public var probe = Probe()
  public var tensors: [Tensor] = []
  public var candidates: [Candidate] = []
  /// Share of each tensor's rows that the chosen candidate trains, by tensor name.
  public var scheme: [String: Double] = [:]
  /// The chosen candidate as a recipe's method, for one other than an update scheme.
  public var method: JSONValue?
  /// The chosen candidate's label.
  public var chosen = ""
  public var learningRate: Double?
  /// C in the learning-rate rule rate = C / Σ|g|.
  public var rateConstant = 0.0
  public var calibration: [CalibrationPoint] = []
  public var predictedGain: Double?
  public var measuredGain: Double?
  public var budget = Budget()
  /// Floating-point operations of a step as a share of full fine-tuning's.
  public var flopsShare: Double?
  public var plannedBytes = 0
  /// Loss on the whole validation text before training.
  public var initialValidationLoss: Double?
  public var seconds = 0.0

  public init() {}
}

extension AnalysisRecord {
  /// Number, lengths and cost of the probes.
  public struct Probe: JSONRecord {
    public var steps = 0
    public var learningRate: Double?
    public var seconds = 0.0
    /// Steps of a candidate's first probe; `finalSteps` are those of its last.
    public var firstSteps = 0
    public var finalSteps = 0
    public var probes = 0
    /// Planned arithmetic of the probes as a share of the run's.
    public var priceShare = 0.0

    public init() {}
  }

  /// A tensor's cost and its gain.
  public struct Tensor: JSONRecord {
    public var name: String
    /// Share of the tensor's rows.
    public var share = 0.0
    public var score: Double?
    public var gain: Double?
    public var gainAlone: Double?
    /// Whether the gain was measured on this tensor, rather than inferred from others.
    public var isMeasured = false
    /// Floating-point operations per token.
    public var flops = 0.0
    public var bytes = 0
    public var fisher: Double?
    public var gradient: Double?
    public var gradientUpdate: Double?

    public init(name: String) { self.name = name }
  }

  /// A scheme within the budget and the losses of its probes.
  public struct Candidate: JSONRecord {
    public var label: String
    public var isChosen = false
    public var learningRate = 0.0
    public var rounds: [Round] = []
    public var flopsShare = 0.0
    public var plannedBytes = 0
    /// Share of each tensor's rows, by tensor name; empty for another method.
    public var scheme: [String: Double] = [:]
    /// The candidate as a recipe's method, for one other than an update scheme.
    public var method: JSONValue?

    public init(label: String) { self.label = label }
  }

  /// A candidate's held-out loss after a number of steps.
  public struct Round: JSONRecord {
    public var steps: Int
    /// Nil if the probe diverged.
    public var loss: Double?

    public init(steps: Int, loss: Double?) {
      self.steps = steps
      self.loss = loss.flatMap { $0.isFinite ? $0 : nil }
    }
  }

  /// The limits on schemes; nil for no limit.
  public struct Budget: JSONRecord {
    public var memoryBytes: Int?
    public var flopsShare: Double?

    public init(memoryBytes: Int? = nil, flopsShare: Double? = nil) {
      self.memoryBytes = memoryBytes
      self.flopsShare = flopsShare
    }
  }
}

extension AnalysisRecord {
  public var json: JSONValue {
    var object: JSONObject = [
      "type": "analysis", "key": .string(key), "base_loss": .optional(baseLoss),
      "last_block_loss": .optional(lastBlockLoss), "noise": .optional(noise),
      "held_out": .string(heldOut), "probe": probe.json, "tensors": .array(tensors.map(\.json)),
      "candidates": .array(candidates.map(\.json)), "scheme": .shares(scheme),
      "chosen": .string(chosen), "learning_rate": .optional(learningRate),
      "rate_constant": .number(rateConstant), "calibration": .array(calibration.map(\.json)),
      "predicted_gain": .optional(predictedGain), "measured_gain": .optional(measuredGain),
      "budget": budget.json, "step_time": .optional(flopsShare),
      "planned_bytes": .int(plannedBytes),
      "initial_validation_loss": .optional(initialValidationLoss), "seconds": .number(seconds),
    ]
    if let method { object["method"] = method }
    return .object(object)
  }

  public init(_ json: JSONValue) {
    key = json.string("key")
    baseLoss = json["base_loss"]?.double
    lastBlockLoss = json["last_block_loss"]?.double
    noise = json["noise"]?.double
    heldOut = json.string("held_out")
    probe = Probe(json["probe"] ?? .null)
    tensors = json.records("tensors")
    candidates = json.records("candidates")
    scheme = json.shares("scheme") ?? [:]
    method = json["method"]
    chosen = json.string("chosen")
    learningRate = json["learning_rate"]?.double
    rateConstant = json.double("rate_constant")
    calibration = json.records("calibration")
    predictedGain = json["predicted_gain"]?.double
    measuredGain = json["measured_gain"]?.double
    budget = Budget(json["budget"] ?? .null)
    flopsShare = json["step_time"]?.double
    plannedBytes = json.int("planned_bytes")
    initialValidationLoss = json["initial_validation_loss"]?.double
    seconds = json.double("seconds")
  }
}

extension AnalysisRecord.Probe {
  /// Each step is one batch, so both keys have the same value.
  public var json: JSONValue {
    [
      "steps": .int(steps), "batches": .int(steps), "learning_rate": .optional(learningRate),
      "seconds": .number(seconds), "first_steps": .int(firstSteps),
      "final_steps": .int(finalSteps), "probes": .int(probes), "price_share": .number(priceShare),
    ]
  }

  public init(_ json: JSONValue) {
    steps = json.int("steps")
    learningRate = json["learning_rate"]?.double
    seconds = json.double("seconds")
    firstSteps = json.int("first_steps")
    finalSteps = json.int("final_steps")
    probes = json.int("probes")
    priceShare = json.double("price_share")
  }
}

extension AnalysisRecord.Tensor {
  public var json: JSONValue {
    [
      "name": .string(name), "share": .number(share), "score": .optional(score),
      "gain": .optional(gain), "gain_alone": .optional(gainAlone), "measured": .bool(isMeasured),
      "flops": .number(flops), "bytes": .int(bytes), "fisher": .optional(fisher),
      "gradient": .optional(gradient), "gradient_update": .optional(gradientUpdate),
    ]
  }

  /// Nil if the name is missing.
  public init?(_ json: JSONValue) {
    guard let name = json["name"]?.string else { return nil }
    self.init(name: name)
    share = json.double("share")
    score = json["score"]?.double
    gain = json["gain"]?.double
    gainAlone = json["gain_alone"]?.double
    isMeasured = json.bool("measured")
    flops = json.double("flops")
    bytes = json.int("bytes")
    fisher = json["fisher"]?.double
    gradient = json["gradient"]?.double
    gradientUpdate = json["gradient_update"]?.double
  }
}

extension AnalysisRecord.Candidate {
  public var json: JSONValue {
    var object: JSONObject = [
      "label": .string(label), "chosen": .bool(isChosen), "learning_rate": .number(learningRate),
      "rounds": .array(rounds.map(\.json)), "step_time": .number(flopsShare),
      "planned_bytes": .int(plannedBytes), "scheme": .shares(scheme),
    ]
    if let method { object["method"] = method }
    return .object(object)
  }

  /// Nil if the label is missing.
  public init?(_ json: JSONValue) {
    guard let label = json["label"]?.string else { return nil }
    self.init(label: label)
    isChosen = json.bool("chosen")
    learningRate = json.double("learning_rate")
    rounds = json.records("rounds")
    flopsShare = json.double("step_time")
    plannedBytes = json.int("planned_bytes")
    scheme = json.shares("scheme") ?? [:]
    method = json["method"]
  }
}

extension AnalysisRecord.Round {
  public var json: JSONValue { ["steps": .int(steps), "loss": .optional(loss)] }

  public init(_ json: JSONValue) {
    self.init(steps: json.int("steps"), loss: json["loss"]?.double)
  }
}

extension AnalysisRecord.Budget {
  public var json: JSONValue {
    ["memory_bytes": .optional(memoryBytes), "step_time": .optional(flopsShare)]
  }

  public init(_ json: JSONValue) {
    self.init(memoryBytes: json["memory_bytes"]?.int, flopsShare: json["step_time"]?.double)
  }
}
