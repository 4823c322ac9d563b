import Datasets
import Execution
import Records
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

  let session: Session
  let settings: TrainingSettings
  let text: TokenStream
  let validation: Evaluator?
  /// Nil where energy is not counted.
  let meter: EnergyMeter?
  /// Of the steps since this trainer began.
  var measuredJoules = 0.0
  var measuredTokens = 0
  let lossGuard: LossGuard?
  let guardEvaluator: Evaluator?
  let store: SnapshotStore?
  let plannedBytes: Int
  let observe: (RunEvent) throws(TrainingError) -> Void
  let shouldStop: () -> Bool
  var order: BatchOrder
  /// Nil for a run without privacy.
  let privacy: Privacy?
  var progress: RunProgress
  var started = ContinuousClock.now
  var earlierSeconds = 0.0
  /// What this trainer's work has taken so far.
  var times = RunTimes()
  var trend = LossTrend()
  let saving: Saving
  let earlier: [StepReport]
  /// Whether the store's losses are of another held-out text than this run's.
  let hasOtherValidation: Bool
  /// Whether the store's best was judged by another guard.
  let hasOtherGuard: Bool
  /// The step of the state in the store that is this run's; nil while there is none.
  var savedStep: Int?

  /// - Parameters:
  ///   - validationText: windows that are scored but never trained on; nil for none.
  ///   - lossGuard: text whose loss decides which snapshots may be the best; nil for none.
  ///   - store: where snapshots go; nil for none.
  ///   - saving: what is written to the store.
  ///   - initialValidationLoss: the validation text's loss before training, if it is known, so that
  ///     the run need not measure it.
  ///   - earlier: the steps up to the store's state if another trainer, which saved states only,
  ///     took them; this run reports and validates them as its own.
  ///   - meter: counts the energy of steps; nil for none.
  ///   - hasOtherValidation: whether a state to go on from has losses of another held-out text; its
  ///     best then counts no longer.
  ///   - hasOtherGuard: whether a state to go on from was judged by another guard, or by none.
  ///   - shouldStop: asked before every micro-batch, of validations too; true saves and ends the run.
  ///     A step that is not whole by then has changed nothing, and a validation is made up for when
  ///     the run goes on.
  public init(
    _ session: Session, settings: TrainingSettings, text: TokenStream,
    validationText: TokenStream?, lossGuard: LossGuard? = nil, store: SnapshotStore?,
    plannedBytes: Int,
    saving: Saving = .everything, initialValidationLoss: Double? = nil,
    earlier: [StepReport] = [], meter: EnergyMeter? = nil, hasOtherValidation: Bool = false,
    hasOtherGuard: Bool = false,
    observe: @escaping (RunEvent) throws(TrainingError) -> Void,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.session = session
    self.settings = settings
    self.text = text
    validation = validationText.map { Evaluator(session, text: $0) }
    self.meter = meter
    self.lossGuard = lossGuard
    guardEvaluator = lossGuard.map { Evaluator(session, text: $0.text) }
    self.store = store
    self.plannedBytes = plannedBytes
    self.saving = saving
    self.earlier = earlier
    self.hasOtherValidation = hasOtherValidation
    self.hasOtherGuard = hasOtherGuard
    self.observe = observe
    self.shouldStop = shouldStop
    order = BatchOrder(
      windowCount: text.windowCount(sequenceLength: settings.shape.tokens, includePartial: false),
      seed: settings.seed, shuffle: settings.shuffles, reordering: settings.reordering)
    privacy = Privacy(session, settings, text: text)
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
      if hasOtherGuard { progress.forgetGuard() }
    }
    if !resuming, saving != .nothing { store?.pending.remove() }
    started = .now
    let isStart = progress.step == 0 || !earlier.isEmpty
    var hasBase = try measureGuardOfBase()
    if hasBase, isStart { hasBase = try validateBase() }
    if !hasBase {
      // Steps that a probe took are in the store already.
      guard savedStep == nil else { return try summarise(.interrupted) }
      throw .interrupted
    }
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
  func advance() throws(TrainingError) -> Bool {
    guard !shouldStop(), try trainStep() else { return false }
    let isLast = progress.step == settings.steps
    if isDue(settings.validateEvery) || isLast, try !validate() { return false }
    if isDue(settings.validateEvery), saving == .states {
      try store?.writeState(session, progress: progress, pending: true)
    }
    if isDue(settings.saveEvery), !isLast, !isStale, !shouldStop() { try saveLast() }
    return true
  }

  /// Whether the last validations, as many as patience allows, found no new best. Derived from the
  /// progress, so that a resumed run does not go on past its early stop.
  var isStale: Bool {
    guard progress.validationsSinceBest >= settings.patience ?? .max else { return false }
    guard let last = progress.lastValidationLoss, let best = progress.bestValidationLoss else {
      return true
    }
    return last - best >= settings.patienceMargin
  }

  func isDue(_ interval: Int) -> Bool { interval > 0 && progress.step % interval == 0 }

  var elapsedSeconds: Double { earlierSeconds + (ContinuousClock.now - started).seconds }
}

extension Trainer {
  func summarise(_ reason: EndReason) throws(TrainingError) -> RunSummary {
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
    summary.lossGuard = lastGuard
    if measuredTokens > 0 { summary.joulesPerToken = measuredJoules / Double(measuredTokens) }
    if reason != .interrupted, let guardWarning { try observe(.warning(guardWarning)) }
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
