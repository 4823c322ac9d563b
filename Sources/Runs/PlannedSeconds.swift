import Datasets
import Training

/// Measured seconds, and what they make of the whole run.
public struct PlannedSeconds {
  /// A step of the first epoch.
  public let step: Double
  /// A step of later epochs, in which the prefix cache has the frozen blocks' outputs.
  public let laterStep: Double
  /// The first pass over the validation text.
  public let validation: Double
  /// A later pass over it.
  public let laterValidation: Double
  private let settings: TrainingSettings
  /// Steps of the first epoch.
  private let firstSteps: Int

  /// - Parameter measured: of a first epoch and of later ones.
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

  /// Seconds of what is measured before the first step, at most.
  public func measuring(_ decision: MethodDecision) -> Double { decision.measuringSteps * step }

  /// Seconds of the run, without what is measured before it.
  public var total: Double {
    step * Double(firstSteps) + laterStep * Double(settings.steps - firstSteps) + validation
      + laterValidation * Double(settings.validations - 1)
  }
  public var tokensPerSecond: Double { Double(settings.shape.tokensPerStep) / max(step, 1e-9) }
}
