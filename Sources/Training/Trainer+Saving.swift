import Checkpoints
import Datasets
import Execution
import Records
import Storage
import Tensors

// Snapshots, and going back to them.
extension Trainer {
  func saveDelta(_ kind: SnapshotKind, loss: Double?) throws(TrainingError) {
    guard let store, saving == .everything else { return }
    try checkInputs()
    // What is given away is of steps that the saved state counts.
    if privacy != nil, savedStep != progress.step { try saveState() }
    var metrics: JSONObject = [
      "step": .int(progress.step), "tokens": .int(progress.step * settings.shape.tokensPerStep),
      "initial_validation_loss": progress.initialValidationLoss.map { .number($0) } ?? .null,
      "validation_loss": loss.map { .number($0) } ?? .null,
    ]
    if let privacyLoss {
      metrics["epsilon"] = privacyLoss.epsilon.isFinite ? .number(privacyLoss.epsilon) : .null
      metrics["delta"] = .number(privacyLoss.delta)
    }
    let start = ContinuousClock.now
    try store.writeDelta(session, kind: kind, metrics: .object(metrics))
    times.written.add((ContinuousClock.now - start).seconds)
    try observe(.snapshot(step: progress.step, path: store.deltaPath(kind), kind: kind))
  }

  /// Checks that model and text are still those that the run started with, so that nothing is saved
  /// that was computed from others.
  func checkInputs() throws(TrainingError) {
    try rethrow(TrainingError.storage) { () throws(StorageError) in
      try session.weights.checkUnchanged()
      try text.checkUnchanged()
    }
  }

  func saveLast() throws(TrainingError) {
    guard store != nil, saving != .nothing else { return }
    try checkInputs()
    try saveDelta(.last, loss: progress.lastValidationLoss)
    try saveState()
    // Without validation nothing is better than what came last.
    if validation == nil { try saveDelta(.best, loss: nil) }
  }

  private func saveState() throws(TrainingError) {
    guard let store else { return }
    progress.elapsedSeconds = elapsedSeconds
    let start = ContinuousClock.now
    try store.writeState(session, progress: progress)
    times.written.add((ContinuousClock.now - start).seconds)
    savedStep = progress.step
  }

  /// After a figure that is not finite: goes back to the last saved state of this run, or to the
  /// base, and on from there at half the rate. What a validation found best by then is kept.
  ///
  /// - Throws: the error itself where nothing is saved, in the first step, whose loss is the base
  ///   model's, and after `mostSetbacks`.
  func retreat(from error: TrainingError) throws(TrainingError) {
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
    restored.bestStep = progress.bestStep
    restored.initialGuardLoss = progress.initialGuardLoss
    restored.trainingSeconds = progress.trainingSeconds
    restored.setbacks = progress.setbacks + 1
    restored.noisySteps = progress.noisySteps
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
}
