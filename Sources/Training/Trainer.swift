import Checkpoints
import Datasets
import Execution
import Storage
import Tensors

/// Trains a session on text: steps, validations, snapshots, and an event for each.
///
/// Deterministic: the same settings, text, threads and instruction set give the same losses, also
/// across an interruption.
public final class Trainer {
  private let session: Session
  private let settings: TrainingSettings
  private let windows: TokenStream
  private let validation: Evaluator?
  private let store: SnapshotStore?
  private let plannedBytes: Int
  private let observe: (RunEvent) throws(TrainingError) -> Void
  private let shouldStop: () -> Bool
  private var order: BatchOrder
  private var progress: RunProgress
  private var started = ContinuousClock.now
  private var earlierSeconds = 0.0

  /// - Parameters:
  ///   - validationText: windows that are scored but never trained on; nil for none.
  ///   - store: where snapshots go; nil for none.
  ///   - shouldStop: asked after every step; true saves and ends the run.
  public init(
    _ session: Session, settings: TrainingSettings, text: TokenStream,
    validationText: TokenStream?, store: SnapshotStore?, plannedBytes: Int,
    observe: @escaping (RunEvent) throws(TrainingError) -> Void,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.session = session
    self.settings = settings
    windows = text
    validation = validationText.map { Evaluator(session, text: $0) }
    self.store = store
    self.plannedBytes = plannedBytes
    self.observe = observe
    self.shouldStop = shouldStop
    order = BatchOrder(
      windowCount: text.windowCount(sequenceLength: settings.shape.tokens, includePartial: false),
      seed: settings.seed,
      shuffle: settings.shuffles)
    progress = RunProgress(BatchIdentity(settings, trainingTokens: text.count))
  }

  /// Runs to the end, to an early stop or to an interruption.
  ///
  /// - Parameter resuming: go on from the last snapshot.
  /// - Throws: `TrainingError.diverged` if a loss or a gradient is not finite; what reading and
  ///   writing throw.
  public func run(resuming: Bool = false) throws(TrainingError) -> RunSummary {
    if resuming, let store {
      progress = try store.readState(into: session, batches: progress.batches)
      earlierSeconds = progress.elapsedSeconds
    }
    started = .now
    if progress.initialValidationLoss == nil, let validation {
      let loss = validation.meanLoss()
      progress.initialValidationLoss = loss
      try observe(.validation(step: 0, loss: loss, best: false))
    }
    var isInterrupted = false
    while progress.step < settings.steps, !isStale, !isInterrupted {
      try trainStep()
      let isLast = progress.step == settings.steps
      if isDue(settings.validateEvery) || isLast { try validate() }
      isInterrupted = shouldStop()
      if isDue(settings.saveEvery), !isLast, !isStale, !isInterrupted { try saveLast() }
    }
    let isComplete = progress.step >= settings.steps
    let reason = isInterrupted ? "interrupted" : isComplete ? "finished" : "early_stopping"
    try saveLast()
    return try summarise(reason)
  }

  /// The last validations, as many as patience allows, brought no new best. Part of the progress, so
  /// that a resumed run does not go on past its early stop.
  private var isStale: Bool { progress.validationsSinceBest >= settings.patience ?? .max }

  private func isDue(_ interval: Int) -> Bool { interval > 0 && progress.step % interval == 0 }

  private var elapsedSeconds: Double { earlierSeconds + (ContinuousClock.now - started).seconds }
}

extension Trainer {
  private func trainStep() throws(TrainingError) {
    let clock = ContinuousClock()
    let start = clock.now
    let number = progress.step + 1
    let rate = settings.schedule.rate(step: number)
    var dataSeconds = 0.0
    var lossSum = 0.0
    session.beginStep(learningRate: rate, optimizer: settings.optimizer, step: number)
    for microBatch in 0..<settings.shape.accumulation {
      let before = clock.now
      fillBatch(microBatch)
      dataSeconds += (clock.now - before).seconds
      lossSum += session.runMicroBatch()
    }
    windows.releasePages()
    let norm = session.finishStep()
    let loss = lossSum / Double(settings.shape.tokensPerStep)
    guard loss.isFinite else { throw .diverged(step: number, figure: "loss", loss) }
    guard norm.isFinite else { throw .diverged(step: number, figure: "gradient norm", norm) }
    progress.step = number
    let seconds = (clock.now - start).seconds
    progress.trainingSeconds += seconds
    let profile = session.profile
    try observe(
      .step(
        StepReport(
          step: number, totalSteps: settings.steps, epoch: epoch, loss: loss, learningRate: rate,
          gradientNorm: norm, tokens: settings.shape.tokensPerStep, seconds: seconds,
          phases: PhaseSeconds(
            data: dataSeconds, forward: profile.forward, backward: profile.backward,
            update: profile.update),
          residentBytes: ProcessMemory.residentBytes,
          peakResidentBytes: ProcessMemory.peakResidentBytes, plannedBytes: plannedBytes,
          elapsedSeconds: elapsedSeconds, etaSeconds: etaSeconds)))
  }

  /// Windows in the order of the seed, running on from one epoch into the next.
  private func fillBatch(_ microBatch: Int) {
    let shape = settings.shape
    let first = (progress.step * shape.accumulation + microBatch) * shape.windows
    for row in 0..<shape.windows {
      session.batch.fill(
        row: row, tokens: shape.tokens, from: windows, window: order.window(at: first + row))
    }
  }

  private var epoch: Double {
    let windows = progress.step * settings.shape.accumulation * settings.shape.windows
    return Double(windows) / Double(max(1, order.windowCount))
  }

  private var etaSeconds: Double {
    let done = max(1, progress.step)
    return elapsedSeconds / Double(done) * Double(settings.steps - progress.step)
  }

  private func validate() throws(TrainingError) {
    guard let validation else { return }
    let loss = validation.meanLoss()
    guard loss.isFinite else {
      throw .diverged(step: progress.step, figure: "validation loss", loss)
    }
    progress.lastValidationLoss = loss
    let isBest = loss < progress.bestValidationLoss ?? .infinity
    progress.validationsSinceBest = isBest ? 0 : progress.validationsSinceBest + 1
    if isBest { progress.bestValidationLoss = loss }
    try observe(.validation(step: progress.step, loss: loss, best: isBest))
    if isBest { try saveDelta("best", loss: loss) }
  }

  private func saveDelta(_ kind: String, loss: Double?) throws(TrainingError) {
    guard let store else { return }
    let metrics: JSONValue = [
      "step": .int(progress.step), "tokens": .int(progress.step * settings.shape.tokensPerStep),
      "initial_validation_loss": progress.initialValidationLoss.map { .number($0) } ?? .null,
      "validation_loss": loss.map { .number($0) } ?? .null,
    ]
    try store.writeDelta(session, kind: kind, metrics: metrics)
    try observe(.snapshot(step: progress.step, path: store.deltaPath(kind), kind: kind))
  }

  private func saveLast() throws(TrainingError) {
    guard let store else { return }
    progress.elapsedSeconds = elapsedSeconds
    try saveDelta("last", loss: progress.lastValidationLoss)
    try store.writeState(session, progress: progress)
    // Without validation nothing is better than what came last.
    if validation == nil { try saveDelta("best", loss: nil) }
  }

  private func summarise(_ reason: String) throws(TrainingError) -> RunSummary {
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

extension BatchMemory {
  /// Writes one window into row `row` of the batch.
  func fill(row: Int, tokens: Int, from text: TokenStream, window: Int) {
    let range = row * tokens..<(row + 1) * tokens
    text.fill(
      window: window, inputs: .init(rebasing: self.tokens[range]),
      targets: .init(rebasing: targets[range]), documentStarts: .init(rebasing: starts[range]))
  }

  /// Makes row `row` count for nothing.
  func clear(row: Int, tokens: Int) {
    let range = row * tokens..<(row + 1) * tokens
    UnsafeMutableBufferPointer(rebasing: self.tokens[range]).update(repeating: 0)
    UnsafeMutableBufferPointer(rebasing: targets[range]).update(repeating: -1)
    UnsafeMutableBufferPointer(rebasing: starts[range]).update(repeating: 0)
  }
}
