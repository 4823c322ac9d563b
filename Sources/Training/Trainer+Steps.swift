import Datasets
import Execution
import Records
import Tensors

// One optimizer step and its report.
extension Trainer {
  /// The figures of one step of the session.
  struct StepOutcome {
    /// The number of scored targets.
    var scored: Int
    /// Mean over the scored targets, in nats; 0 without any.
    var loss = 0.0
    var gradientNorm = 0.0
    var phases = PhaseSeconds()
  }

  /// - Returns: false if it was asked to stop before the step was whole; nothing has changed then.
  func trainStep() throws(TrainingError) -> Bool {
    let start = ContinuousClock.now
    // What was taken since the last step's end is not this one's.
    _ = meter?.joules()
    let number = progress.step + 1
    let rate = settings.schedule.rate(step: number) * progress.rateFactor
    let computed = session.prefixComputing
    guard let outcome = runStep(number, rate: rate) else { return false }
    guard outcome.loss.isFinite else {
      throw failure(number, figure: "loss", outcome.loss)
    }
    guard outcome.gradientNorm.isFinite else {
      throw failure(number, figure: "gradient norm", outcome.gradientNorm)
    }
    progress.step = number
    let seconds = (ContinuousClock.now - start).seconds
    progress.trainingSeconds += seconds
    var report = report(number, outcome, rate: rate, seconds: seconds)
    note(report, computedBefore: computed)
    report.etaSeconds = remainingSeconds(after: number)
    report.joules = meter?.joules()
    if let joules = report.joules {
      measuredJoules += joules
      measuredTokens += report.tokens
    }
    try observe(.step(report))
    if outcome.scored == 0 {
      try observe(.warning("step \(number): none of its targets counts, so it changed nothing"))
    } else if let rise = trend.add(
      outcome.loss, step: number, isWarm: number > settings.schedule.warmupSteps)
    {
      try observe(.warning(Self.text(of: rise, step: number, rate: rate)))
    }
    try reportWarnings()
    return true
  }

  /// What a figure that is not finite comes from: the model, or what was trained.
  func failure(_ step: Int, figure: String, _ value: Double) -> TrainingError {
    let weight = session.weights.brokenWeight
    guard weight != nil || (step == 1 && figure == "loss") else {
      return .diverged(step: step, figure: figure, value)
    }
    return .brokenModel(loss: value, weight: weight)
  }

  private static func text(of rise: LossTrend.Rise, step: Int, rate: Double) -> String {
    "the loss rises: \(formatted(rise.now, decimals: 3)) over the last \(LossTrend.width) steps, "
      + "\(formatted(rise.lowest, decimals: 3)) up to step \(rise.step); "
      + "if it goes on, start again with a learning rate a third of "
      + "\(formatted(rate, decimals: 6)) (optimizer.learning_rate)"
  }

  /// A step's outcome with memory and time at its end.
  func report(
    _ number: Int, _ outcome: StepOutcome, rate: Double, seconds: Double
  ) -> StepReport {
    var report = StepReport(step: number)
    (report.loss, report.learningRate) = (outcome.loss, rate)
    (report.gradientNorm, report.phases) = (outcome.gradientNorm, outcome.phases)
    report.epoch = epoch
    report.tokens = settings.shape.tokensPerStep
    report.seconds = seconds
    report.residentBytes = ProcessMemory.residentBytes
    report.peakResidentBytes = ProcessMemory.peakResidentBytes
    report.plannedBytes = plannedBytes
    report.elapsedSeconds = elapsedSeconds
    return report
  }

  /// Trains on the next windows, micro-batch after micro-batch. Without a scored target there is no
  /// gradient: parameters, moments and all other state stay unchanged. Neither do they change where
  /// it was asked to stop between two micro-batches, and the outcome is nil.
  func runStep(_ number: Int, rate: Double) -> StepOutcome? {
    if let privacy { return runPrivateStep(privacy, number, rate: rate) }
    let clock = ContinuousClock()
    let start = clock.now
    let rows = settings.shape.windows
    let windows = nextWindows()
    var outcome = StepOutcome(
      scored: text.scoredCount(windows: windows, sequenceLength: settings.shape.tokens))
    outcome.phases.data = (clock.now - start).seconds
    guard outcome.scored > 0 else { return outcome }
    var lossSum = 0.0
    session.beginStep(
      learningRate: rate, optimizer: settings.optimizer, step: number,
      scoredTokens: outcome.scored)
    for microBatch in 0..<settings.shape.accumulation {
      if microBatch > 0, shouldStop() { return nil }
      let before = clock.now
      for row in 0..<rows {
        session.fill(row: row, from: text, window: windows[microBatch * rows + row])
      }
      outcome.phases.data += (clock.now - before).seconds
      lossSum += session.runMicroBatch()
    }
    text.releasePages()
    outcome.gradientNorm = session.finishStep()
    outcome.loss = lossSum / Double(outcome.scored)
    let profile = session.profile
    outcome.phases.forward = profile.forward
    outcome.phases.backward = profile.backward
    outcome.phases.update = profile.update
    return outcome
  }

  func reportWarnings() throws(TrainingError) {
    for warning in session.takeWarnings() { try observe(.warning(warning)) }
  }

  /// The next step's windows in the order of the seed, continuing from one epoch into the next.
  func nextWindows() -> [Int] {
    let count = settings.shape.windowsPerStep
    let first = progress.step * count
    return (first..<first + count).map { order.window(at: $0) }
  }

  var epoch: Double {
    let windows = progress.step * settings.shape.windowsPerStep
    return Double(windows) / Double(max(1, order.windowCount))
  }
}
