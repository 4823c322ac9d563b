import Storage

/// What happens in a run, as it happens. `json` has the keys that the event stream promises.
public enum RunEvent: Sendable {
  case start(RunDescription)
  case plan(MemoryForecast, flopsPerToken: Double, fullFlopsPerToken: Double)
  /// What was measured before training, as `contributions.json` has it.
  case analysis(JSONValue)
  case step(StepReport)
  case validation(step: Int, loss: Double, best: Bool)
  case snapshot(step: Int, path: String, kind: String)
  case warning(String)
  case sample(step: Int, prompt: String, text: String)
  case done(RunSummary)
}

/// What is about to run.
public struct RunDescription: Hashable, Sendable {
  public var model: String
  public var method: String
  public var label: String
  /// How the trained tensors were chosen, in words.
  public var choice: String?
  public var trainableParameters: Int
  public var totalParameters: Int
  public var steps: Int
  public var threads: Int
  public var instructionSet: String
  public var precision: String
  public var version: String
  public var learningRate: Double
  /// Lowest blocks that give the same for a window whenever it comes.
  public var frozenBlocks: Int
  /// Bytes on disk that keeping what they give may take; 0 where nothing is kept.
  public var prefixCacheBytes: Int
  /// Seconds of what was measured before the run, also where an earlier run did so.
  public var analysisSeconds: Double

  public init(
    model: String, method: String, label: String, choice: String?, trainableParameters: Int,
    totalParameters: Int, steps: Int, threads: Int, instructionSet: String, precision: String,
    version: String, learningRate: Double, frozenBlocks: Int = 0, prefixCacheBytes: Int = 0,
    analysisSeconds: Double = 0
  ) {
    self.model = model
    self.method = method
    self.label = label
    self.choice = choice
    self.trainableParameters = trainableParameters
    self.totalParameters = totalParameters
    self.steps = steps
    self.threads = threads
    self.instructionSet = instructionSet
    self.precision = precision
    self.version = version
    self.learningRate = learningRate
    self.frozenBlocks = frozenBlocks
    self.prefixCacheBytes = prefixCacheBytes
    self.analysisSeconds = analysisSeconds
  }
}

/// Seconds of one step by phase.
public struct PhaseSeconds: Hashable, Sendable {
  public var data = 0.0
  public var forward = 0.0
  public var backward = 0.0
  public var update = 0.0
}

/// One optimizer step.
public struct StepReport: Hashable, Sendable {
  public var step: Int
  public var totalSteps: Int
  /// Passes over the training windows, as a fraction.
  public var epoch: Double
  /// Mean over the step's target tokens, in nats.
  public var loss: Double
  public var learningRate: Double
  /// Before clipping.
  public var gradientNorm: Double
  /// Tokens of this step.
  public var tokens: Int
  public var seconds: Double
  public var phases: PhaseSeconds
  public var residentBytes: Int
  public var peakResidentBytes: Int
  public var plannedBytes: Int
  public var elapsedSeconds: Double
  public var etaSeconds: Double

  public var tokensPerSecond: Double { Double(tokens) / max(seconds, 1e-9) }
}

/// How a run ended.
public struct RunSummary: Hashable, Sendable {
  public var steps = 0
  public var tokens = 0
  public var initialValidationLoss: Double?
  public var finalValidationLoss: Double?
  public var bestValidationLoss: Double?
  /// Over the time spent in training steps.
  public var tokensPerSecond = 0.0
  public var peakResidentBytes = 0
  public var plannedBytes = 0
  public var seconds = 0.0
  /// "finished", "early_stopping" or "interrupted".
  public var reason = "finished"

  public init() {}
}
