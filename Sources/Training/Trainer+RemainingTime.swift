import Datasets
import Records

// How long the rest of a run takes.
extension Trainer {
  /// Notes the times of a step.
  ///
  /// - Parameter before: the session's `prefixComputing` at the step's start.
  func note(_ step: StepReport, computedBefore before: MeanTime) {
    let computing = session.prefixComputing.seconds - before.seconds
    times.step.add(step.seconds - computing)
    times.forward.add(step.phases.forward - computing, count: settings.shape.windowsPerStep)
  }

  /// The mean loss of a held-out text, whose time is noted; nil if it was asked to stop.
  func score(_ evaluator: Evaluator) -> Double? {
    let (start, before) = (ContinuousClock.now, session.prefixComputing)
    guard let loss = evaluator.meanLoss(unless: shouldStop) else { return nil }
    let computing = session.prefixComputing.seconds - before.seconds
    times.scored.add(
      (ContinuousClock.now - start).seconds - computing, count: scoredWindows(evaluator))
    return loss
  }

  /// Seconds of the steps that are left after one, and of the validations and snapshots among them.
  func remainingSeconds(after step: Int) -> Double {
    let windows = settings.shape.windowsPerStep * max(0, settings.steps - step)
    return remainingSeconds(after: step, perStep: times.step.mean)
      + computingSeconds(ofNext: windows, in: text)
  }

  /// The same of steps whose seconds are given, the computing of their frozen blocks included.
  func remainingSeconds(after step: Int, perStep seconds: Double) -> Double {
    let validations = validationsAhead(of: step)
    let steps =
      seconds * Double(max(0, settings.steps - step))
      + times.written.mean * Double(validations + filesAhead(of: step))
    return [validation, guardEvaluator].reduce(steps) { sum, evaluator in
      guard let evaluator else { return sum }
      let windows = scoredWindows(evaluator) * validations
      return sum + times.perScoredWindow * Double(windows)
        + computingSeconds(ofNext: windows, in: evaluator.text)
    }
  }

  /// The windows of whole batches that score a text: a partial batch takes as long as a whole one.
  private func scoredWindows(_ evaluator: Evaluator) -> Int {
    let perBatch = settings.shape.windows
    return (evaluator.windowCount + perBatch - 1) / perBatch * perBatch
  }

  /// Seconds that the frozen blocks of the next windows of a text take where no cache has them.
  private func computingSeconds(ofNext windows: Int, in text: TokenStream) -> Double {
    let missing = session.prefixesToCompute(ofNext: windows, in: text)
    return session.prefixComputing.mean * Double(missing) / Double(settings.shape.windows)
  }

  /// The files of the snapshots that follow a step, those between steps and the last: a delta and a
  /// state, and where nothing is held out the best's delta too.
  private func filesAhead(of step: Int) -> Int {
    let every = settings.saveEvery
    let between = every > 0 ? (settings.steps - 1) / every - max(0, step - 1) / every : 0
    return (1 + max(0, between)) * (validation == nil ? 3 : 2)
  }

  /// The validations that follow a step, with the one that is due behind it.
  private func validationsAhead(of step: Int) -> Int {
    guard validation != nil else { return 0 }
    let every = settings.validateEvery
    let done = 1 + (every > 0 ? max(0, step - 1) / every : 0)
    return max(0, settings.validations - done)
  }
}
