import Datasets
import Records
import Storage
import Tensors

// Held-out losses: before training, in the run, and those that an interruption left due.
extension Trainer {
  /// - Returns: false if it was asked to stop.
  func validateBase() throws(TrainingError) -> Bool {
    guard let validation else { return true }
    guard let loss = progress.initialValidationLoss ?? score(validation) else { return false }
    guard loss.isFinite else {
      throw .brokenModel(loss: loss, weight: session.weights.brokenWeight)
    }
    progress.initialValidationLoss = loss
    try observe(.validation(step: 0, loss: loss, best: false, privacy: privacyLoss))
    try reportWarnings()
    return true
  }

  /// Reports the earlier steps and does the validations that were due in them.
  ///
  /// - Returns: false if it was asked to stop; the store then still has all that is due.
  func catchUp(_ store: SnapshotStore) throws(TrainingError) -> Bool {
    let reached = progress
    let due = try rethrow(TrainingError.storage) { () throws(StorageError) in
      try store.pendingSteps()
    }
    var pending = due.filter { $0 <= reached.step }[...]
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

  func validate(pending step: Int, _ store: SnapshotStore) throws(TrainingError) -> Bool {
    _ = try store.readState(into: session, batches: progress.batches, pending: step)
    progress.step = step
    return try validate()
  }

  /// Loads the last state again; the results of the validations are kept.
  func goBack(to reached: RunProgress, _ store: SnapshotStore) throws(TrainingError) {
    _ = try store.readState(into: session, batches: progress.batches)
    progress.step = reached.step
  }

  /// Another trainer's step reported as one of this run.
  func adopted(_ report: StepReport) -> StepReport {
    var report = report
    report.plannedBytes = plannedBytes
    times.earlier.add(report.phases.forward, count: settings.shape.windowsPerStep)
    report.etaSeconds = remainingSeconds(
      after: report.step, perStep: report.elapsedSeconds / Double(report.step))
    return report
  }

  /// - Returns: false if it was asked to stop; the validation is due then.
  func validate() throws(TrainingError) -> Bool {
    progress.validationIsDue = false
    guard let validation else { return true }
    guard let loss = score(validation) else {
      progress.validationIsDue = true
      return false
    }
    guard loss.isFinite else {
      throw failure(progress.step, figure: "validation loss", loss)
    }
    let guarded = try scoreGuard()
    if case .stopped = guarded {
      progress.validationIsDue = true
      return false
    }
    try tell(guarded)
    progress.lastValidationLoss = loss
    let isBest = loss < progress.bestValidationLoss ?? .infinity && guarded.isWithin
    progress.validationsSinceBest = isBest ? 0 : progress.validationsSinceBest + 1
    if isBest {
      progress.bestValidationLoss = loss
      if lossGuard != nil { progress.bestStep = progress.step }
    }
    try observe(.validation(step: progress.step, loss: loss, best: isBest, privacy: privacyLoss))
    try reportWarnings()
    if isBest { try saveDelta(.best, loss: loss) }
    return true
  }
}
