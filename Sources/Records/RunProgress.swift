import Storage

/// The values that determine which tokens a step trains on; a resumed run must match all of them.
public struct BatchIdentity: JSONRecord {
  public var sequenceLength: Int
  public var tokensPerStep: Int
  public var trainingTokens: Int
  public var seed: Int
  public var shuffles: Bool

  public init(
    sequenceLength: Int, tokensPerStep: Int, trainingTokens: Int, seed: Int, shuffles: Bool
  ) {
    self.sequenceLength = sequenceLength
    self.tokensPerStep = tokensPerStep
    self.trainingTokens = trainingTokens
    self.seed = seed
    self.shuffles = shuffles
  }

  public init(_ json: JSONValue) {
    self.init(
      sequenceLength: json.int("sequence_length"), tokensPerStep: json.int("tokens_per_step"),
      trainingTokens: json.int("training_tokens"), seed: json.int("seed"),
      shuffles: json.int("shuffle") != 0)
  }

  /// The values with their keys, for messages.
  public var fields: [(key: String, value: Int)] {
    [
      ("sequence_length", sequenceLength), ("tokens_per_step", tokensPerStep),
      ("training_tokens", trainingTokens), ("seed", seed), ("shuffle", shuffles ? 1 : 0),
    ]
  }

  public var json: JSONValue {
    .object(JSONObject(fields.map { ($0.key, .int($0.value)) }))
  }
}

/// How far a run has come. Losses are means over the held-out tokens in nats; nil without held-out
/// text.
public struct RunProgress: JSONRecord {
  public var step = 0
  public var batches: BatchIdentity
  public var trainingSeconds = 0.0
  public var elapsedSeconds = 0.0
  public var initialValidationLoss: Double?
  public var bestValidationLoss: Double?
  public var lastValidationLoss: Double?
  public var validationsSinceBest = 0
  /// The guard's losses of the base and of the last validation; nil without a guard.
  public var initialGuardLoss: Double?
  public var lastGuardLoss: Double?
  /// The step of that validation; nil without a guard.
  public var lastGuardStep: Int?
  /// The step of the best validation; nil without a guard.
  public var bestStep: Int?
  /// Whether the run was stopped in the validation after its last step.
  public var validationIsDue = false
  /// How often the run went back to an earlier state because a figure was not finite.
  public var setbacks = 0
  /// What the schedule's rates are multiplied by: each setback halves it.
  public var rateFactor = 1.0
  /// Steps that added noise, of which privacy is accounted; those that a setback took back count.
  public var noisySteps = 0

  public init(_ batches: BatchIdentity) { self.batches = batches }

  public init(_ json: JSONValue) {
    batches = BatchIdentity(json)
    step = max(0, json.int("step"))
    trainingSeconds = json.double("training_seconds")
    elapsedSeconds = json.double("elapsed_seconds")
    initialValidationLoss = json["initial_validation_loss"]?.double
    bestValidationLoss = json["best_validation_loss"]?.double
    lastValidationLoss = json["last_validation_loss"]?.double
    validationsSinceBest = json.int("validations_since_best")
    initialGuardLoss = json["initial_guard_loss"]?.double
    lastGuardLoss = json["last_guard_loss"]?.double
    lastGuardStep = json["last_guard_step"]?.int
    bestStep = json["best_step"]?.int
    validationIsDue = json.bool("validation_due")
    setbacks = json.int("setbacks")
    rateFactor = json["rate_factor"]?.double ?? 1
    noisySteps = max(0, json.int("noisy_steps"))
  }

  /// Forgets losses of another held-out text; the present one is scored first.
  public mutating func forgetValidations() {
    (initialValidationLoss, bestValidationLoss, lastValidationLoss) = (nil, nil, nil)
    validationsSinceBest = 0
    validationIsDue = true
  }

  /// Forgets what was best within another guard; the present one is scored first.
  public mutating func forgetGuard() {
    (initialGuardLoss, lastGuardLoss, bestValidationLoss) = (nil, nil, nil)
    (lastGuardStep, bestStep) = (nil, nil)
    validationsSinceBest = 0
    validationIsDue = true
  }

  public var json: JSONValue { .object(members) }

  fileprivate var members: JSONObject {
    JSONObject(
      [
        ("step", .int(step)), ("training_seconds", .number(trainingSeconds)),
        ("elapsed_seconds", .number(elapsedSeconds)),
        ("initial_validation_loss", .optional(initialValidationLoss)),
        ("best_validation_loss", .optional(bestValidationLoss)),
        ("last_validation_loss", .optional(lastValidationLoss)),
        ("validations_since_best", .int(validationsSinceBest)),
      ] + exceptions + batches.fields.map { ($0.key, .int($0.value)) })
  }

  /// What is rarely anything to tell.
  private var exceptions: [(String, JSONValue)] {
    (validationIsDue ? [("validation_due", .bool(true))] : [])
      + (initialGuardLoss == nil
        ? []
        : [
          ("initial_guard_loss", .optional(initialGuardLoss)),
          ("last_guard_loss", .optional(lastGuardLoss)),
          ("last_guard_step", .optional(lastGuardStep)), ("best_step", .optional(bestStep)),
        ])
      + (setbacks > 0
        ? [("setbacks", .int(setbacks)), ("rate_factor", .number(rateFactor))] : [])
      + (noisySteps > 0 ? [("noisy_steps", .int(noisySteps))] : [])
  }
}

/// The values of a training state: its base model and method, its run's decisions and progress.
public struct StateRecord: JSONRecord {
  /// Content hash of the base model.
  public var base: String
  /// Content hashes of the deltas that the run started from.
  public var deltas: [String]
  /// The recipe's method.
  public var method: JSONValue
  public var decision: RunDecision?
  public var progress: RunProgress
  /// The resolved recipe and the texts; nil in states of earlier versions.
  public var recipe: JSONValue?
  public var texts: TextHashes?

  public init(
    base: String, deltas: [String] = [], method: JSONValue, decision: RunDecision?,
    progress: RunProgress, recipe: JSONValue? = nil, texts: TextHashes? = nil
  ) {
    self.base = base
    self.deltas = deltas
    self.method = method
    self.recipe = recipe
    self.texts = texts
    self.decision = decision
    self.progress = progress
  }

  public init(_ json: JSONValue) {
    self.init(
      base: json["base"]?.string ?? "?",
      deltas: (json["deltas"]?.array ?? []).map { $0.string ?? "?" },
      method: json["method"] ?? .null,
      decision: RunDecision(json["decision"] ?? .null), progress: RunProgress(json),
      recipe: json["recipe"].flatMap { $0.object == nil ? nil : $0 },
      texts: json["texts"].flatMap { TextHashes($0) })
  }

  /// `method` in the current spelling of recipes: `step_time` in its budget is now `step_flops`.
  public var presentMethod: JSONValue { BudgetKey.present.spelled(in: method) }

  /// What a training state says beside progress.
  public var identity: JSONObject {
    let head: [(String, JSONValue)] = [
      ("base", .string(base)), ("method", method), ("decision", decision?.json ?? .null),
    ]
    let started: JSONValue? = deltas.isEmpty ? nil : .array(deltas.map { .string($0) })
    let known = [
      ("deltas", started), ("recipe", recipe), ("texts", texts?.json),
    ].compactMap { key, value in
      value.map { (key, $0) }
    }
    return JSONObject(head + known)
  }

  /// The values as a training state stores them.
  public var values: JSONObject {
    let members = identity.members + progress.members.members
    return JSONObject(members.map { ($0.key, $0.value) })
  }

  public var json: JSONValue { .object(values) }
}
