import Checkpoints
import Datasets
import Execution
import Records
import Storage
import Tensors

/// Trains a session on text: steps, validations, snapshots, and an event for each.
///
/// Deterministic: the same settings, text, threads and instruction set give the same losses, also
/// across an interruption.
public final class Trainer {
  /// What is written to the store.
  public enum Saving: Sendable {
    /// Nothing; the store is only read.
    case nothing
    /// The last state, and one state for each validation that is due, so that the run that
    /// continues from here can do these validations.
    case states
    /// States, and the trained tensors as deltas.
    case everything
  }

  private let session: Session
  private let settings: TrainingSettings
  private let text: TokenStream
  private let validation: Evaluator?
  private let store: SnapshotStore?
  private let plannedBytes: Int
  private let observe: (RunEvent) throws(TrainingError) -> Void
  private let shouldStop: () -> Bool
  private var order: BatchOrder
  private var progress: RunProgress
  private var started = ContinuousClock.now
  private var earlierSeconds = 0.0
  private var trend = LossTrend()
  private let saving: Saving
  private let earlier: [StepReport]
  /// Whether the store's losses are of another held-out text than this run's.
  private let hasOtherValidation: Bool
  /// The step of the state in the store that is this run's; nil while there is none.
  private var savedStep: Int?

  /// - Parameters:
  ///   - validationText: windows that are scored but never trained on; nil for none.
  ///   - store: where snapshots go; nil for none.
  ///   - saving: what is written to the store.
  ///   - initialValidationLoss: the validation text's loss before training, if it is known, so that
  ///     the run need not measure it.
  ///   - earlier: the steps up to the store's state if another trainer, which saved states only,
  ///     took them; this run reports and validates them as its own.
  ///   - hasOtherValidation: whether a state to go on from has losses of another held-out text; its
  ///     best then counts no longer.
  ///   - shouldStop: asked before every micro-batch, of validations too; true saves and ends the run.
  ///     A step that is not whole by then has changed nothing, and a validation is made up for when
  ///     the run goes on.
  public init(
    _ session: Session, settings: TrainingSettings, text: TokenStream,
    validationText: TokenStream?, store: SnapshotStore?, plannedBytes: Int,
    saving: Saving = .everything, initialValidationLoss: Double? = nil,
    earlier: [StepReport] = [], hasOtherValidation: Bool = false,
    observe: @escaping (RunEvent) throws(TrainingError) -> Void,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.session = session
    self.settings = settings
    self.text = text
    validation = validationText.map { Evaluator(session, text: $0) }
    self.store = store
    self.plannedBytes = plannedBytes
    self.saving = saving
    self.earlier = earlier
    self.hasOtherValidation = hasOtherValidation
    self.observe = observe
    self.shouldStop = shouldStop
    order = BatchOrder(
      windowCount: text.windowCount(sequenceLength: settings.shape.tokens, includePartial: false),
      seed: settings.seed, shuffle: settings.shuffles, reordering: settings.reordering)
    progress = RunProgress(BatchIdentity(settings, trainingTokens: text.count))
    progress.initialValidationLoss = initialValidationLoss
  }

  /// Runs to the end, to an early stop or to an interruption.
  ///
  /// A run that saves everything survives figures that are not finite: see `retreat`.
  ///
  /// - Parameters:
  ///   - resuming: go on from the store's last state.
  ///   - other: go on where another trainer of the same session has stopped.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop before there was anything to save,
  ///   `.diverged` if a loss or a gradient is not finite; errors of reading and writing.
  public func run(
    resuming: Bool = false, following other: Trainer? = nil
  ) throws(TrainingError) -> RunSummary {
    if let other { progress = other.progress }
    if resuming, let store {
      progress = try store.readState(into: session, batches: progress.batches)
      savedStep = progress.step
      earlierSeconds = progress.elapsedSeconds
      if hasOtherValidation { progress.forgetValidations() }
    }
    if !resuming, saving != .nothing { store?.pending.remove() }
    started = .now
    if progress.step == 0 || !earlier.isEmpty, try !validateBase() { throw .interrupted }
    if resuming, let store, validation != nil || !earlier.isEmpty, try !catchUp(store) {
      return try summarise(.interrupted)
    }
    var goesOn = progress.validationIsDue ? try validate() : true
    while goesOn, progress.step < settings.steps, !isStale {
      do throws(TrainingError) {
        goesOn = try advance()
      } catch {
        try retreat(from: error)
      }
    }
    let isComplete = progress.step >= settings.steps
    let reason: EndReason = !goesOn ? .interrupted : isComplete ? .finished : .earlyStopping
    if reason == .interrupted, progress.step == 0 { throw .interrupted }
    if reason != .interrupted || savedStep != progress.step { try saveLast() }
    return try summarise(reason)
  }

  /// Takes a step, and validates and saves where that is due.
  ///
  /// - Returns: false if it was asked to stop.
  private func advance() throws(TrainingError) -> Bool {
    guard !shouldStop(), try trainStep() else { return false }
    let isLast = progress.step == settings.steps
    if isDue(settings.validateEvery) || isLast, try !validate() { return false }
    if isDue(settings.validateEvery), saving == .states {
      try store?.writeState(session, progress: progress, pending: true)
    }
    if isDue(settings.saveEvery), !isLast, !isStale, !shouldStop() { try saveLast() }
    return true
  }

  /// After a figure that is not finite: goes back to the last saved state of this run, or to the
  /// base, and on from there at half the rate. What a validation found best by then is kept.
  ///
  /// - Throws: the error itself where nothing is saved, in the first step, whose loss is the base
  ///   model's, and after `mostSetbacks`.
  private func retreat(from error: TrainingError) throws(TrainingError) {
    guard case .diverged(let step, let figure, let value) = error, saving == .everything,
      let store, progress.setbacks < Self.mostSetbacks
    else { throw error }
    var restored = RunProgress(progress.batches)
    if savedStep != nil {
      restored = try store.readState(into: session, batches: progress.batches)
    } else {
      session.restart(seed: settings.seed)
      restored.initialValidationLoss = progress.initialValidationLoss
    }
    restored.bestValidationLoss = progress.bestValidationLoss
    restored.trainingSeconds = progress.trainingSeconds
    restored.setbacks = progress.setbacks + 1
    restored.rateFactor = progress.rateFactor / 2
    progress = restored
    trend = LossTrend()
    let place = progress.step == 0 ? "the base model" : "the state of step \(progress.step)"
    try observe(
      .warning(
        "the \(figure) of step \(step) is \(value): going on from \(place) at "
          + "\(formatted(progress.rateFactor, decimals: 3)) of the learning rate"))
  }

  /// How often a run goes back before it gives up.
  private static let mostSetbacks = 3

  /// Whether the last validations, as many as patience allows, found no new best. Derived from the
  /// progress, so that a resumed run does not go on past its early stop.
  private var isStale: Bool {
    guard progress.validationsSinceBest >= settings.patience ?? .max else { return false }
    guard let last = progress.lastValidationLoss, let best = progress.bestValidationLoss else {
      return true
    }
    return last - best >= settings.patienceMargin
  }

  private func isDue(_ interval: Int) -> Bool { interval > 0 && progress.step % interval == 0 }

  private var elapsedSeconds: Double { earlierSeconds + (ContinuousClock.now - started).seconds }
}

extension Trainer {
  /// The figures of one step of the session.
  private struct StepOutcome {
    /// The number of scored targets.
    var scored: Int
    /// Mean over the scored targets, in nats; 0 without any.
    var loss = 0.0
    var gradientNorm = 0.0
    var phases = PhaseSeconds()
  }

  /// - Returns: false if it was asked to stop before the step was whole; nothing has changed then.
  private func trainStep() throws(TrainingError) -> Bool {
    let start = ContinuousClock.now
    let number = progress.step + 1
    let rate = settings.schedule.rate(step: number) * progress.rateFactor
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
    try observe(.step(report(number, outcome, rate: rate, seconds: seconds)))
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
  private func failure(_ step: Int, figure: String, _ value: Double) -> TrainingError {
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
  private func report(
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
    report.etaSeconds = etaSeconds
    return report
  }

  /// Trains on the next windows, micro-batch after micro-batch. Without a scored target there is no
  /// gradient: parameters, moments and all other state stay unchanged. Neither do they change where
  /// it was asked to stop between two micro-batches, and the outcome is nil.
  private func runStep(_ number: Int, rate: Double) -> StepOutcome? {
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

  private func reportWarnings() throws(TrainingError) {
    for warning in session.takeWarnings() { try observe(.warning(warning)) }
  }

  /// The next step's windows in the order of the seed, continuing from one epoch into the next.
  private func nextWindows() -> [Int] {
    let count = settings.shape.windows * settings.shape.accumulation
    let first = progress.step * count
    return (first..<first + count).map { order.window(at: $0) }
  }

  private var epoch: Double {
    let windows = progress.step * settings.shape.accumulation * settings.shape.windows
    return Double(windows) / Double(max(1, order.windowCount))
  }

  private var etaSeconds: Double {
    let done = max(1, progress.step)
    return elapsedSeconds / Double(done) * Double(settings.steps - progress.step)
  }

  /// - Returns: false if it was asked to stop.
  private func validateBase() throws(TrainingError) -> Bool {
    guard let validation else { return true }
    guard
      let loss = progress.initialValidationLoss ?? validation.meanLoss(unless: shouldStop)
    else { return false }
    guard loss.isFinite else {
      throw .brokenModel(loss: loss, weight: session.weights.brokenWeight)
    }
    progress.initialValidationLoss = loss
    try observe(.validation(step: 0, loss: loss, best: false))
    try reportWarnings()
    return true
  }

  /// Reports the earlier steps and does the validations that were due in them.
  ///
  /// - Returns: false if it was asked to stop; the store then still has all that is due.
  private func catchUp(_ store: SnapshotStore) throws(TrainingError) -> Bool {
    let reached = progress
    var pending = store.pendingSteps.filter { $0 <= reached.step }[...]
    for report in earlier where report.step <= reached.step && !isStale {
      try observe(.step(adopted(report)))
      if pending.first == report.step {
        pending.removeFirst()
        guard try validate(pending: report.step, store) else { return false }
      }
    }
    for step in pending where !isStale {
      guard try validate(pending: step, store) else { return false }
    }
    if progress.step < reached.step || !earlier.isEmpty {
      // An early stop among them leaves the run where it stopped.
      if !isStale { try goBack(to: reached, store) }
      try saveLast()
    }
    store.pending.remove()
    return true
  }

  private func validate(pending step: Int, _ store: SnapshotStore) throws(TrainingError) -> Bool {
    _ = try store.readState(into: session, batches: progress.batches, pending: step)
    progress.step = step
    return try validate()
  }

  /// Loads the last state again; the results of the validations are kept.
  private func goBack(to reached: RunProgress, _ store: SnapshotStore) throws(TrainingError) {
    _ = try store.readState(into: session, batches: progress.batches)
    progress.step = reached.step
  }

  /// Another trainer's step reported as one of this run.
  private func adopted(_ report: StepReport) -> StepReport {
    var report = report
    report.plannedBytes = plannedBytes
    report.etaSeconds =
      report.elapsedSeconds / Double(report.step) * Double(settings.steps - report.step)
    return report
  }

  /// - Returns: false if it was asked to stop; the validation is due then.
  private func validate() throws(TrainingError) -> Bool {
    progress.validationIsDue = false
    guard let validation else { return true }
    guard let loss = validation.meanLoss(unless: shouldStop) else {
      progress.validationIsDue = true
      return false
    }
    guard loss.isFinite else {
      throw failure(progress.step, figure: "validation loss", loss)
    }
    progress.lastValidationLoss = loss
    let isBest = loss < progress.bestValidationLoss ?? .infinity
    progress.validationsSinceBest = isBest ? 0 : progress.validationsSinceBest + 1
    if isBest { progress.bestValidationLoss = loss }
    try observe(.validation(step: progress.step, loss: loss, best: isBest))
    try reportWarnings()
    if isBest { try saveDelta(.best, loss: loss) }
    return true
  }

  private func saveDelta(_ kind: SnapshotKind, loss: Double?) throws(TrainingError) {
    guard let store, saving == .everything else { return }
    try checkInputs()
    let metrics: JSONValue = [
      "step": .int(progress.step), "tokens": .int(progress.step * settings.shape.tokensPerStep),
      "initial_validation_loss": progress.initialValidationLoss.map { .number($0) } ?? .null,
      "validation_loss": loss.map { .number($0) } ?? .null,
    ]
    try store.writeDelta(session, kind: kind, metrics: metrics)
    try observe(.snapshot(step: progress.step, path: store.deltaPath(kind), kind: kind))
  }

  /// Checks that model and text are still those that the run started with, so that nothing is saved
  /// that was computed from others.
  private func checkInputs() throws(TrainingError) {
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      try session.checkpoint.checkUnchanged()
      try text.checkUnchanged()
    }
  }

  private func saveLast() throws(TrainingError) {
    guard let store, saving != .nothing else { return }
    try checkInputs()
    progress.elapsedSeconds = elapsedSeconds
    try saveDelta(.last, loss: progress.lastValidationLoss)
    try store.writeState(session, progress: progress)
    savedStep = progress.step
    // Without validation nothing is better than what came last.
    if validation == nil { try saveDelta(.best, loss: nil) }
  }

  private func summarise(_ reason: EndReason) throws(TrainingError) -> RunSummary {
    var summary = RunSummary()
    summary.steps = progress.step
    summary.tokens = progress.step * settings.shape.tokensPerStep
    summary.initialValidationLoss = progress.initialValidationLoss
    summary.finalValidationLoss = progress.lastValidationLoss
    summary.bestValidationLoss = progress.bestValidationLoss
    summary.tokensPerSecond = Double(summary.tokens) / max(progress.trainingSeconds, 1e-9)
    summary.peakResidentBytes = ProcessMemory.peakResidentBytes
    summary.plannedBytes = plannedBytes
    summary.seconds = elapsedSeconds
    summary.reason = reason
    if let first = summary.initialValidationLoss, let best = summary.bestValidationLoss,
      best >= first
    {
      try observe(
        .warning(
          "no validation was better than the base's loss of \(formatted(first, decimals: 4)); "
            + "lower optimizer.learning_rate, or train on more text"))
    }
    return summary
  }
}
