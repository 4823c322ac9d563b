import Records
import Storage
import Tensors

// The guard: a text whose loss bounds which snapshot is the best.
extension Trainer {
  /// Scores the base on the guard's text, unless that is known. A run that goes on without it, as one
  /// whose guard is new, loads its base for that and then its last state again.
  ///
  /// - Returns: false if it was asked to stop.
  func measureGuardOfBase() throws(TrainingError) -> Bool {
    guard let evaluator = guardEvaluator, progress.initialGuardLoss == nil else { return true }
    let hasTrained = progress.step > 0
    if hasTrained { session.restart(seed: settings.seed) }
    let measured = score(evaluator)
    if hasTrained, let store { _ = try store.readState(into: session, batches: progress.batches) }
    guard let loss = measured else { return false }
    guard loss.isFinite else {
      throw .brokenModel(loss: loss, weight: session.weights.brokenWeight)
    }
    progress.initialGuardLoss = loss
    try observe(.lossGuard(report(guardLoss: loss, step: 0)))
    return true
  }

  /// What a validation found on the guard's text.
  enum GuardOutcome {
    case noGuard
    case stopped
    case scored(GuardReport)

    var isWithin: Bool {
      if case .scored(let report) = self { report.isWithin } else { true }
    }
  }

  /// Scores the guard's text.
  func scoreGuard() throws(TrainingError) -> GuardOutcome {
    guard let evaluator = guardEvaluator else { return .noGuard }
    guard let loss = score(evaluator) else { return .stopped }
    guard loss.isFinite else { throw failure(progress.step, figure: "guard's loss", loss) }
    return .scored(report(guardLoss: loss, step: progress.step))
  }

  /// Tells what was found, and warns where the limit is passed.
  func tell(_ outcome: GuardOutcome) throws(TrainingError) {
    guard case .scored(let report) = outcome else { return }
    let wasWithin = lastGuard?.isWithin ?? true
    (progress.lastGuardLoss, progress.lastGuardStep) = (report.loss, report.step)
    try observe(.lossGuard(report))
    if wasWithin, !report.isWithin {
      try observe(.warning(text(of: report) + "; only snapshots within it are kept as the best"))
    }
  }

  /// The last score; nil without a guard, or before its first.
  var lastGuard: GuardReport? {
    progress.lastGuardLoss.map {
      report(guardLoss: $0, step: progress.lastGuardStep ?? progress.step)
    }
  }

  /// What the end of a run beyond the guard says; nil within it.
  var guardWarning: String? {
    guard let report = lastGuard, !report.isWithin else { return nil }
    let kept =
      progress.bestStep.map { "best/ holds the best snapshot within it, of step \($0)" }
      ?? "no validation was within it, so "
      + (store.map { Folder.exists($0.deltaPath(.best)) } == true
        ? "best/ is still what was best before this guard" : "there is no best snapshot")
    return "the run ended beyond the guard: " + text(of: report) + "; " + kept
  }

  private func text(of report: GuardReport) -> String {
    "after step \(report.step) the guard's loss is \(formatted(report.increase, decimals: 4)) above "
      + "the base's \(formatted(report.initialLoss, decimals: 4)), and guard.max_loss_increase is "
      + "\(formatted(report.maxIncrease, decimals: 4))"
  }

  private func report(guardLoss loss: Double, step: Int) -> GuardReport {
    GuardReport(
      step: step, loss: loss, initialLoss: progress.initialGuardLoss ?? loss,
      maxIncrease: lossGuard?.maxIncrease ?? 0)
  }
}
