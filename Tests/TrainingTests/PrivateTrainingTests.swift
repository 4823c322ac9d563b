import Datasets
import Records
import TestSupport
import Testing
import Training

/// Training with differential privacy of windows.
@Suite struct PrivateTrainingTests {
  private static let windows = 6

  /// A step that takes all windows of a text of `windows`, by plain gradient descent at rate 1.
  private func settings(_ privacy: PrivacySettings?, steps: Int = 1) -> TrainingSettings {
    var settings = TrainingFixture.settings(
      steps: steps, windows: 1, accumulation: privacy == nil ? 1 : Self.windows,
      optimizer: .sgd(SGD()), learningRate: 1, clipNorm: nil, warmupSteps: 0)
    settings.schedule = LearningRateSchedule(
      curve: .constant, peak: 1, warmupSteps: 0, finalRatio: 1, totalSteps: steps)
    settings.privacy = privacy
    return settings
  }

  /// How a window by itself changes the trained parameters, one after another.
  private func plainChanges(_ fixture: TrainingFixture, _ method: TestMethod) throws -> [[Double]] {
    let text = TrainingFixture.text(windows: Self.windows)
    let settings = settings(nil)
    return try (0..<Self.windows).map { window in
      let session = try fixture.session(fixture.adaptation(method), settings)
      let before = values(session)
      session.beginStep(
        learningRate: 1, optimizer: settings.optimizer, step: 1,
        scoredTokens: TrainingFixture.tokens)
      session.fill(row: 0, from: text, window: window)
      _ = session.runMicroBatch()
      _ = session.finishStep()
      return zip(values(session), before).map { Double($0) - Double($1) }
    }
  }

  private func changes(
    _ fixture: TrainingFixture, _ method: TestMethod, _ settings: TrainingSettings
  ) throws -> [Double] {
    let before = values(try fixture.session(fixture.adaptation(method), settings))
    let run = try fixture.train(
      fixture.adaptation(method), settings, text: TrainingFixture.text(windows: Self.windows))
    return zip(values(run.session), before).map { Double($0) - Double($1) }
  }

  /// Trained tensors lie in the session's memory.
  private func values(_ session: Session) -> [Float] {
    withExtendedLifetime(session) { session.trainedTensors.flatMap(\.values) }
  }

  /// Without noise, a step is the mean of windows' gradients, each clipped by its own norm.
  @Test(arguments: [TestMethod.full, .rows, .lora])
  func windowsAreClippedEachByItself(_ method: TestMethod) throws {
    let fixture = try TrainingFixture()
    let plain = try plainChanges(fixture, method)
    let norms = plain.map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    let clip = norms.sorted()[Self.windows / 2]
    let expected = plain[0].indices.map { index in
      zip(plain, norms).reduce(0.0) { $0 + $1.0[index] * min(1, clip / $1.1) }
        / Double(Self.windows)
    }
    let found = try changes(
      fixture, method, settings(PrivacySettings(clip: clip, noise: 0, delta: 1e-5)))
    let size = expected.map(abs).max() ?? 0
    #expect(size > 0)
    // Observed: up to 1.2e-5 of the largest change, which is f32's rounding of parameters.
    for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-4 * size) }
  }

  @Test func noiseHasItsDeviationAndIsNeverTheSame() throws {
    let fixture = try TrainingFixture()
    let noisy = settings(PrivacySettings(clip: 1e-3, noise: 300, delta: 1e-5))
    let runs = try (0..<2).map { _ in try changes(fixture, .full, noisy) }
    let expected = 300 * 1e-3 / Double(Self.windows)
    for run in runs {
      let count = Double(run.count)
      let mean = run.reduce(0, +) / count
      let deviation = (run.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
      #expect(abs(deviation / expected - 1) < 5 / (2 * count).squareRoot() + 1e-2)
      #expect(abs(mean) < 5 * expected / count.squareRoot())
    }
    let product = zip(runs[0], runs[1]).reduce(0) { $0 + $1.0 * $1.1 } / Double(runs[0].count)
    #expect(abs(product) < 0.1 * expected * expected)
  }

  /// Each window comes by itself; validations give what steps have cost, over an interruption too.
  @Test func lossesOfPrivacyAddUp() throws {
    let fixture = try TrainingFixture()
    var settings = settings(PrivacySettings(clip: 1, noise: 1, delta: 1e-5), steps: 8)
    settings.validateEvery = 4
    let text = TrainingFixture.text(windows: 60)
    let accountant = RenyiAccountant(samplingRate: 0.1, noise: 1)
    func epsilons(_ record: RunRecord) -> [Double] {
      record.events.compactMap {
        if case .validation(_, _, _, let privacy) = $0 { privacy?.epsilon } else { nil }
      }
    }
    let store = try fixture.store("run")
    let validation = TrainingFixture.text(windows: 2)
    let whole = try fixture.train(
      fixture.adaptation(.norms), settings, text: text, validation: validation,
      store: try fixture.store("whole"))
    let expected = [0, 4, 8].map { accountant.loss(steps: $0, delta: 1e-5).epsilon }
    #expect(epsilons(whole) == expected)
    let stopped = try fixture.train(
      fixture.adaptation(.norms), settings, text: text, validation: validation, store: store,
      stopAfter: 5)
    let resumed = try fixture.train(
      fixture.adaptation(.norms), settings, text: text, validation: validation, store: store,
      resuming: true)
    #expect(epsilons(stopped) + epsilons(resumed) == expected)
  }
}
