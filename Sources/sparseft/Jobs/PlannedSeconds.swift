import Datasets
import Execution
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

/// What this CPU can do, and what of it a step uses.
struct PlannedRates {
  /// The step's operations a second if each product ran at the peak of what it multiplies.
  var peak: Double
  /// What a step reaches, as a share of that.
  var share: Double

  init(_ run: PlannedRun, _ seconds: PlannedSeconds) throws {
    let programs = [run.step.training.program] + (run.step.prefix.map { [$0.program] } ?? [])
    let (kernels, pool) = (run.prepared.kernels, run.prepared.pool)
    let floor =
      try kernels.secondsAtPeak(programs, pool) * Double(run.settings.shape.accumulation)
    let flops = run.flopsPerToken * Double(run.settings.shape.tokensPerStep)
    peak = flops / max(1e-9, floor)
    share = floor / max(1e-9, seconds.step)
  }
}
