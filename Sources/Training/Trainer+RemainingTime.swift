import Records

// How long the rest of a run takes.
extension Trainer {
  /// How long things of one kind took.
  struct MeanTime {
    var count = 0
    var seconds = 0.0

    var mean: Double { seconds / Double(max(1, count)) }

    mutating func add(_ seconds: Double) {
      count += 1
      self.seconds += seconds
    }
  }

  func note(validationSince start: ContinuousClock.Instant) {
    validationTime.add((ContinuousClock.now - start).seconds)
  }

  /// Seconds of the steps that are left after one, and of the validations among them. Steps take as
  /// long as those so far; validations as those that this trainer made, or, before its first, as
  /// the steps' forward passes over as many windows.
  ///
  /// - Parameter training: seconds of all steps so far.
  func remainingSeconds(after report: StepReport, training: Double) -> Double {
    let left = settings.steps - report.step
    return training / Double(max(1, report.step)) * Double(left)
      + validationSeconds * Double(validationsAhead(of: report.step))
  }

  /// The validations that follow a step, with the one that is due behind it.
  private func validationsAhead(of step: Int) -> Int {
    guard validation != nil else { return 0 }
    let every = settings.validateEvery
    let done = 1 + (every > 0 ? max(0, step - 1) / every : 0)
    return max(0, settings.validations - done)
  }

  private var validationSeconds: Double {
    if validationTime.count > 0 { return validationTime.mean }
    let windows = (validation?.windowCount ?? 0) + (guardEvaluator?.windowCount ?? 0)
    let perStep = settings.shape.windows * settings.shape.accumulation
    return forwardTime.mean / Double(perStep) * Double(windows)
  }
}
