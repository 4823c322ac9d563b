import Records

// How long the rest of a run takes.
extension Trainer {
  /// Validations that this trainer made, the guard's text included, and how long they took.
  struct ValidationTime {
    var count = 0
    var seconds = 0.0
  }

  func note(validationSince start: ContinuousClock.Instant) {
    validationTime.count += 1
    validationTime.seconds += (ContinuousClock.now - start).seconds
  }

  /// Seconds of the steps that are left after one, and of the validations among them. Steps take as
  /// long as those so far; validations as those that this trainer made, or, before its first, as
  /// the step's forward passes over as many windows.
  ///
  /// - Parameter training: seconds of all steps so far.
  func remainingSeconds(after report: StepReport, training: Double) -> Double {
    let left = settings.steps - report.step
    return training / Double(max(1, report.step)) * Double(left)
      + validationSeconds(after: report) * Double(validationsAhead(of: report.step))
  }

  /// The validations that follow a step, with the one that is due behind it.
  private func validationsAhead(of step: Int) -> Int {
    guard validation != nil else { return 0 }
    let every = settings.validateEvery
    let done = 1 + (every > 0 ? max(0, step - 1) / every : 0)
    return max(0, settings.validations - done)
  }

  private func validationSeconds(after report: StepReport) -> Double {
    if validationTime.count > 0 { return validationTime.seconds / Double(validationTime.count) }
    let windows = (validation?.windowCount ?? 0) + (guardEvaluator?.windowCount ?? 0)
    let perStep = settings.shape.windows * settings.shape.accumulation
    return report.phases.forward / Double(perStep) * Double(windows)
  }
}
