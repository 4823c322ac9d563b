import Compilation
import Datasets

/// All settings of a run besides model, method and text.
public struct TrainingSettings: Hashable, Sendable {
  public var steps: Int
  public var shape: BatchShape
  public var optimizer: Optimizer
  /// The type of the matmuls' operands.
  public var precision: ProductPrecision
  /// How gates are stored for the backward pass.
  public var gates: GateStorage
  /// The gradient norm above which gradients are clipped; nil never clips.
  public var clipNorm: Double?
  /// Nil for training without differential privacy. With it, a micro-batch is one window, and
  /// `shape.accumulation` is how many of them a step takes on average.
  public var privacy: PrivacySettings?
  public var schedule: LearningRateSchedule
  public var seed: UInt64
  /// Whether windows come in random order, a new one each epoch.
  public var shuffles: Bool
  /// Another order of the first windows, to measure the effect of the order; nil for the usual one.
  public var reordering: BatchOrder.Reordering?
  /// Steps between validations and between snapshots; 0 for none before the end.
  public var validateEvery: Int
  public var saveEvery: Int
  /// Stop after this many validations without a new best; nil never stops early.
  public var patience: Int?
  /// Only if the last of them is above the best by more than this, in nats.
  public var patienceMargin: Double

  public init(
    steps: Int, shape: BatchShape, optimizer: Optimizer, precision: ProductPrecision = .f32,
    gates: GateStorage = .computed, clipNorm: Double?, schedule: LearningRateSchedule,
    seed: UInt64 = 0, shuffles: Bool = true,
    validateEvery: Int = 0, saveEvery: Int = 0, patience: Int? = nil, patienceMargin: Double = 0
  ) {
    self.steps = steps
    self.shape = shape
    self.optimizer = optimizer
    self.precision = precision
    self.gates = gates
    self.clipNorm = clipNorm
    self.schedule = schedule
    self.seed = seed
    self.shuffles = shuffles
    self.validateEvery = validateEvery
    self.saveEvery = saveEvery
    self.patience = patience
    self.patienceMargin = patienceMargin
  }
}

extension TrainingSettings {
  /// How often a run scores its validation text: before the first step, during the run, at the end.
  public var validations: Int {
    guard validateEvery > 0 else { return 2 }
    return 1 + (steps + validateEvery - 1) / validateEvery
  }

  /// Steps until every window of the training text has been used once.
  ///
  /// - Parameter windows: the number of windows of the text.
  public func firstEpochSteps(windows: Int) -> Int {
    let perStep = shape.windowsPerStep
    return min(steps, (windows + perStep - 1) / perStep)
  }
}
