import Datasets
import Records

// Steps with differential privacy.
extension Trainer {
  /// What a private run has beside others.
  struct Privacy {
    let accountant: RenyiAccountant
    let random = SecureRandom()
    let gradient: PrivateGradient
    /// L: the windows that a step takes on average.
    let expected: Double
    let windowCount: Int

    init?(_ session: Session, _ settings: TrainingSettings, text: TokenStream) {
      guard let privacy = settings.privacy else { return nil }
      windowCount = text.windowCount(
        sequenceLength: settings.shape.tokens, includePartial: false)
      expected = Double(settings.shape.accumulation)
      accountant = RenyiAccountant(
        samplingRate: min(1, expected / Double(max(1, windowCount))), noise: privacy.noise)
      gradient = session.privateGradient(privacy, random: random)
    }

    /// Each window by itself with the accountant's probability (Poisson sampling).
    func sample() -> [Int] {
      (0..<windowCount).filter { _ in random.uniform() < accountant.samplingRate }
    }
  }

  /// The privacy loss of all steps so far, of those that a setback took back too; nil for a run
  /// without privacy.
  var privacyLoss: PrivacyLoss? {
    guard let privacy, let settings = settings.privacy else { return nil }
    return privacy.accountant.loss(steps: progress.noisySteps, delta: settings.delta)
  }

  /// One step on windows that are drawn for it, as many as come.
  func runPrivateStep(_ privacy: Privacy, _ number: Int, rate: Double) -> StepOutcome? {
    let length = settings.shape.tokens
    let windows = privacy.sample()
    var outcome = StepOutcome(scored: text.scoredCount(windows: windows, sequenceLength: length))
    var lossSum = 0.0
    // The gradient is that of the losses over the window's length, whatever is scored in it.
    session.beginStep(
      learningRate: rate, optimizer: settings.optimizer, step: number, scoredTokens: length)
    privacy.gradient.begin()
    for window in windows {
      if shouldStop() { return nil }
      session.fill(row: 0, from: text, window: window)
      lossSum += session.runMicroBatch()
      privacy.gradient.addWindow()
    }
    text.releasePages()
    privacy.gradient.finish(expected: privacy.expected)
    outcome.gradientNorm = session.finishStep()
    outcome.loss = lossSum / Double(max(1, outcome.scored))
    // A step changes parameters even where it took no window.
    outcome.scored = max(1, outcome.scored)
    progress.noisySteps += 1
    let profile = session.profile
    outcome.phases.forward = profile.forward
    outcome.phases.backward = profile.backward
    outcome.phases.update = profile.update
    return outcome
  }
}
