import Datasets
import Training

/// Measured seconds, and what they make of the whole run.
struct PlannedSeconds {
  var step: Double
  var laterStep: Double
  /// A pass over the validation text.
  var validation: Double
  var laterValidation: Double
  var settings: TrainingSettings
  /// Steps of the first epoch.
  var firstSteps: Int

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
  func measuring(_ decision: MethodDecision) -> Double { decision.measuringSteps * step }

  /// Seconds of the run, without what is measured before it.
  var total: Double {
    step * Double(firstSteps) + laterStep * Double(settings.steps - firstSteps) + validation
      + laterValidation * Double(settings.validations - 1)
  }
  var tokensPerSecond: Double { Double(settings.shape.tokensPerStep) / max(step, 1e-9) }
}
