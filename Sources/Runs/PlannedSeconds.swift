import Datasets
import Training

/// Measured seconds of steps and validations, and the run's total that follows from them.
public struct PlannedSeconds {
  /// A step of the first epoch.
  public let step: Double
  /// A step of later epochs, whose frozen blocks' outputs are read from the prefix cache.
  public let laterStep: Double
  /// The first pass over the validation text.
  public let validation: Double
  /// A later pass over it.
  public let laterValidation: Double
  private let settings: TrainingSettings
  /// Steps of the first epoch.
  private let firstSteps: Int

  /// - Parameter measured: seconds in the first epoch and in later ones.
  init(
    _ measured: [(step: Double, pass: Double)], settings: TrainingSettings, corpus: Corpus
  ) {
    (step, validation) = measured[0]
    (laterStep, laterValidation) = measured[1]
    self.settings = settings
    firstSteps = settings.firstEpochSteps(
      windows: corpus.train.windowCount(
        sequenceLength: settings.shape.tokens, includePartial: false))
  }

  /// Upper bound of the seconds of measuring before the first step.
  public func measuring(_ decision: MethodDecision) -> Double { decision.measuringSteps * step }

  /// Seconds of the run, without measuring before it.
  public var total: Double {
    step * Double(firstSteps) + laterStep * Double(settings.steps - firstSteps) + validation
      + laterValidation * Double(settings.validations - 1)
  }
  public var tokensPerSecond: Double { Double(settings.shape.tokensPerStep) / max(step, 1e-9) }
}
