import Compilation
import Datasets

/// Everything that decides about a run besides model, method and text.
public struct TrainingSettings: Hashable, Sendable {
  public var steps: Int
  public var shape: BatchShape
  public var optimizer: Optimizer
  /// What products multiply.
  public var precision: Precision
  /// The largest gradient norm left alone; nil never clips.
  public var clipNorm: Double?
  public var schedule: LearningRateSchedule
  public var seed: UInt64
  /// Windows in random order, another one each epoch.
  public var shuffles: Bool
  /// Another order of the first windows, to see what orders do; nil for the usual one.
  public var reordering: BatchOrder.Reordering?
  /// Steps between validations and between snapshots; 0 for none on the way.
  public var validateEvery: Int
  public var saveEvery: Int
  /// Stop after so many validations without a new best; nil never.
  public var patience: Int?

  public init(
    steps: Int, shape: BatchShape, optimizer: Optimizer, precision: Precision = .f32,
    clipNorm: Double?, schedule: LearningRateSchedule, seed: UInt64 = 0, shuffles: Bool = true,
    validateEvery: Int = 0, saveEvery: Int = 0, patience: Int? = nil
  ) {
    self.steps = steps
    self.shape = shape
    self.optimizer = optimizer
    self.precision = precision
    self.clipNorm = clipNorm
    self.schedule = schedule
    self.seed = seed
    self.shuffles = shuffles
    self.validateEvery = validateEvery
    self.saveEvery = saveEvery
    self.patience = patience
  }
}

extension TrainingSettings {
  /// How often a run with validation text scores it: before the first step, on the way, at the end.
  public var validations: Int {
    guard validateEvery > 0 else { return 2 }
    return 1 + (steps + validateEvery - 1) / validateEvery
  }

  /// Steps until every window of the training text has come once.
  ///
  /// - Parameter windows: of the text.
  public func firstEpochSteps(windows: Int) -> Int {
    let perStep = shape.windows * shape.accumulation
    return min(steps, (windows + perStep - 1) / perStep)
  }
}
