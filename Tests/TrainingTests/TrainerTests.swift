import Adaptations
import Datasets
import Execution
import Records
import Storage
import Tensors
import TestSupport
import Testing
import Training

/// The loop: what repeats, what may not change, what a step means.
@Suite struct TrainerTests {
  @Test(arguments: TestMethod.allCases)
  func repeatsBitForBitAndLearns(method: TestMethod) throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 12, learningRate: 2e-2)
    let text = TrainingFixture.text(windows: 3)
    let adaptation = fixture.adaptation(method)
    let one = try fixture.train(adaptation, settings, validation: text)
    let two = try fixture.train(adaptation, settings, validation: text)
    #expect(one.losses.count == 12)
    #expect(one.losses == two.losses)
    #expect(one.steps.map(\.gradientNorm) == two.steps.map(\.gradientNorm))
    #expect(one.validations == two.validations)
    let (first, last) = (try #require(one.validations.first), try #require(one.validations.last))
    #expect(last < first, "learned nothing: \(first) → \(last)")
  }

  /// A made-up counter rises by a joule whenever the run asks whether to stop: once before each of a
  /// step's further micro-batches, and once before each step, which is not the step's.
  @Test func stepsCountTheirEnergy() throws {
    let folder = try TemporaryFolder()
    var joules = 0
    func count() -> Bool {
      joules += 1
      _ = try? folder.write("\(joules)000000", to: "powercap/intel-rapl:0/energy_uj")
      return false
    }
    try folder.write("package-0", to: "powercap/intel-rapl:0/name")
    _ = count()
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 3, windows: 2, accumulation: 3)
    var steps: [StepReport] = []
    let trainer = Trainer(
      try fixture.session(FullAdaptation(), settings), settings: settings,
      text: TrainingFixture.text(windows: 16), validationText: nil, store: nil, plannedBytes: 1,
      meter: EnergyMeter(root: folder.path),
      observe: { event throws(TrainingError) in
        if case .step(let report) = event { steps.append(report) }
      }, shouldStop: count)
    let summary = try trainer.run()
    #expect(steps.map(\.joules) == [2, 2, 2])
    let tokens = Double(settings.shape.tokensPerStep)
    #expect(steps[0].joulesPerToken == 2 / tokens && summary.joulesPerToken == 2 / tokens)
    let without = try fixture.train(FullAdaptation(), settings)
    #expect(without.steps.allSatisfy { $0.joules == nil && $0.json["joules"] == nil })
    #expect(without.summary.joulesPerToken == nil)
  }

  @Test func anotherSeedTakesOtherBatches() throws {
    let fixture = try TrainingFixture()
    let one = try fixture.train(FullAdaptation(), TrainingFixture.settings(steps: 3, seed: 1))
    let two = try fixture.train(FullAdaptation(), TrainingFixture.settings(steps: 3, seed: 2))
    #expect(one.losses != two.losses)
  }

  /// The slices of work differ, and with them the order of sums. Observed: 5e-8.
  @Test func threadsChangeOnlyRounding() throws {
    let settings = TrainingFixture.settings(steps: 6)
    let losses = try [1, 2, 3].map { threads in
      try TrainingFixture(threads: threads).train(FullAdaptation(), settings).losses
    }
    for other in losses[1...] {
      for (a, b) in zip(losses[0], other) { #expect(abs(a / b - 1) < 1e-6) }
    }
  }

  /// Eight windows at once or one at a time. Observed: 3e-8 of the loss, 1e-7 of the norm.
  @Test(arguments: ["adamw", "sgd"], [nil, 0.5])
  func accumulationEqualsLargerBatch(optimizer: String, clipNorm: Double?) throws {
    let fixture = try TrainingFixture()
    let rule: Optimizer =
      optimizer == "sgd" ? .sgd(SGD(weightDecay: 0.01)) : .adamW(AdamW(weightDecay: 0.1))
    let runs = try [(8, 1), (2, 4), (1, 8)].map { windows, accumulation in
      let settings = TrainingFixture.settings(
        steps: 6, windows: windows, accumulation: accumulation, optimizer: rule,
        clipNorm: clipNorm)
      return try fixture.train(fixture.adaptation(.rows), settings)
    }
    for other in runs[1...] {
      for (a, b) in zip(runs[0].steps, other.steps) {
        #expect(abs(a.loss / b.loss - 1) < 1e-6, "step \(a.step)")
        #expect(abs(a.gradientNorm / b.gradientNorm - 1) < 1e-5, "step \(a.step)")
        #expect(a.tokens == 8 * TrainingFixture.tokens && b.tokens == a.tokens)
      }
    }
  }

  /// Windows come in the order of the text, and go on from the start at its end.
  @Test func withoutShufflingBatchesFollowTheText() throws {
    let fixture = try TrainingFixture()
    let text = TrainingFixture.text(windows: 3)
    let settings = TrainingFixture.settings(
      steps: 4, windows: 1, learningRate: 0, clipNorm: nil, shuffles: false)
    let record = try fixture.train(FullAdaptation(), settings, text: text)
    #expect(record.losses[3] == record.losses[0])
    #expect(Set(record.losses).count == 3)
    let epochs = (1...4).map { Double($0) / 3 }
    #expect(record.steps.map(\.epoch) == epochs)
    // A window is as long as a row here, so the mean of the windows is the mean of the text.
    let mean = record.losses[0..<3].reduce(0, +) / 3
    #expect(abs(try fixture.loss(of: text) - mean) < 1e-6)
  }

  @Test func clippingBoundsTheStep() throws {
    let fixture = try TrainingFixture()
    func change(_ clipNorm: Double?) throws -> (norm: Double, change: Double) {
      let settings = TrainingFixture.settings(
        steps: 1, optimizer: .sgd(SGD(momentum: 0, weightDecay: 0)), learningRate: 1,
        clipNorm: clipNorm, warmupSteps: 0)
      let record = try fixture.train(FullAdaptation(), settings)
      var squares = 0.0
      // In one order, so that equal changes have equal sums.
      for (name, values) in record.session.parameters.sorted(by: { $0.key < $1.key }) {
        let before = try #require(fixture.checkpoint.tensor(name)).widened()
        for (a, b) in zip(values, before) { squares += Double(a - b) * Double(a - b) }
      }
      return (record.steps[0].gradientNorm, squares.squareRoot())
    }
    let free = try change(nil)
    let clipped = try change(free.norm / 4)
    let loose = try change(free.norm * 4)
    // Observed: 2e-7.
    #expect(abs(free.change / free.norm - 1) < 1e-5)
    #expect(clipped.norm == free.norm, "reported before clipping")
    #expect(abs(clipped.change / (free.norm / 4) - 1) < 1e-5)
    #expect(loose.change == free.change)
  }

  @Test func evaluatorCountsThePartialWindow() throws {
    let fixture = try TrainingFixture()
    let whole = TrainingFixture.text(windows: 5)
    let ids = (0..<whole.count - 4).map { whole[$0] }
    let text = TokenStream(ids: ids, documentStarts: [0], bytes: ids.count)
    let losses = try [1, 2, 3, 8].map { windows in
      try fixture.loss(
        of: text, settings: TrainingFixture.settings(steps: 1, windows: windows))
    }
    for loss in losses { #expect(abs(loss / losses[0] - 1) < 1e-6) }
    // Windows do not see each other, so the text's mean is that of its full windows and of the
    // 8 targets behind them, by their numbers.
    let cut = 4 * TrainingFixture.tokens
    func loss(_ part: ArraySlice<Int32>) throws -> Double {
      try fixture.loss(of: TokenStream(ids: Array(part), documentStarts: [0], bytes: 1))
    }
    let (full, rest) = try (loss(ids[...cut]), loss(ids[cut...]))
    let expected = (full * Double(cut) + rest * 8) / Double(cut + 8)
    #expect(ids.count == cut + 9 && rest > 1 && abs(full - rest) > 1e-2)
    #expect(abs(losses[0] / expected - 1) < 1e-6)
  }

  @Test func divergenceIsAnErrorThatKeepsTheBest() throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    let text = TrainingFixture.text(windows: 3)
    let good = TrainingFixture.settings(steps: 2, validateEvery: 1)
    _ = try fixture.train(FullAdaptation(), good, validation: text, store: store)
    let before = try TemporaryFolder.read(store.deltaPath(.best))
    let absurd = TrainingFixture.settings(
      steps: 20, learningRate: 1e30, clipNorm: nil, warmupSteps: 0)
    let error = #expect(throws: TrainingError.self) {
      try fixture.train(FullAdaptation(), absurd, validation: text, store: store)
    }
    guard case .diverged(let step, _, let value) = error else {
      Issue.record("expected a divergence, got \(String(describing: error))")
      return
    }
    #expect(step == 2 && !value.isFinite)
    #expect(error?.category == .badData)
    #expect(error?.description.contains("optimizer.learning_rate") == true)
    #expect(try TemporaryFolder.read(store.deltaPath(.best)) == before)
  }

  /// A figure that is not finite costs the steps since the last saved state, and the run goes on from
  /// there at half the rate; nobody has to be there.
  @Test(arguments: [0, 2])
  func aRunSurvivesFiguresThatAreNotFinite(_ saveEvery: Int) throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    var settings = TrainingFixture.settings(steps: 6, learningRate: 1e-3, validateEvery: 1)
    settings.saveEvery = saveEvery
    let session = try fixture.session(FullAdaptation(), settings)
    var (reports, warnings, isDamaged): ([StepReport], [String], Bool) = ([], [], false)
    let trainer = Trainer(
      session, settings: settings, text: TrainingFixture.text(windows: 8),
      validationText: TrainingFixture.text(windows: 3), store: store, plannedBytes: 0,
      observe: { event throws(TrainingError) in
        if case .warning(let text) = event { warnings.append(text) }
        guard case .step(let report) = event else { return }
        reports.append(report)
        if report.step == 3, !isDamaged {
          isDamaged = true
          for buffer in session.stateBuffers {
            buffer.write([Float](repeating: .nan, count: buffer.count))
          }
        }
      })
    let summary = try trainer.run()
    #expect(reports.map(\.step) == [1, 2, 3] + Array(saveEvery + 1...6))
    let place = saveEvery == 0 ? "the base model" : "the state of step 2"
    #expect(
      warnings.first
        == "the validation loss of step 3 is nan: going on from \(place) at 0.500 of the learning rate"
    )
    #expect(reports.allSatisfy { $0.loss.isFinite } && summary.reason == .finished)
    let (first, again): (StepReport, StepReport) = (reports[saveEvery], reports[3])
    #expect(first.step == again.step && first.loss == again.loss, "the same state, the same batch")
    #expect(again.learningRate == first.learningRate / 2)
    #expect(summary.bestValidationLoss ?? .nan < summary.initialValidationLoss ?? 0)
  }

  /// Updates that ruin the parameters in the last step show in its validation only.
  @Test func divergenceInTheLastStepIsFound() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(
      steps: 1, learningRate: 1e38, clipNorm: nil, warmupSteps: 0)
    let error = #expect(throws: TrainingError.self) {
      try fixture.train(
        FullAdaptation(), settings, validation: TrainingFixture.text(windows: 3))
    }
    guard case .diverged(step: 1, figure: "validation loss", _) = error else {
      Issue.record("expected a divergence, got \(String(describing: error))")
      return
    }
  }

  @Test func observersFailuresEndTheRun() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 5)
    let trainer = Trainer(
      try fixture.session(FullAdaptation(), settings), settings: settings,
      text: TrainingFixture.text(windows: 4), validationText: nil, store: nil, plannedBytes: 0,
      observe: { _ throws(TrainingError) in
        throw .observer(StorageError.cannotCreate(path: "events.jsonl", reason: "disk full"))
      })
    let error = #expect(throws: TrainingError.self) { try trainer.run() }
    #expect(error?.category == .cannotCreate)
  }
}
