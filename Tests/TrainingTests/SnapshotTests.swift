import Adaptations
import Checkpoints
import Records
import Storage
import Tensors
import TestSupport
import Testing
import Training

/// What a run leaves behind: its deltas, and the base as it was.
@Suite struct SnapshotTests {
  /// Frozen tensors stay where they are, and what trained comes back from the delta: bit for bit,
  /// or for low-rank products within rounding.
  @Test(
    arguments: TestMethod.allCases.filter { ![.tinyTL, .ladder].contains($0) }.flatMap { method in
      [ElementType.f32, .bf16, .int8].map { (method, $0) }
    })
  func baseAndDeltaGiveTheTrainedWeights(method: TestMethod, elementType: ElementType) throws {
    let fixture = try TrainingFixture(elementType: elementType)
    let store = try fixture.store("run")
    let before = try TemporaryFolder.read(fixture.checkpoint.path)
    let text = TrainingFixture.text(windows: 3)
    let record = try fixture.train(
      fixture.adaptation(method), TrainingFixture.settings(steps: 3), validation: text,
      store: store)
    #expect(try TemporaryFolder.read(fixture.checkpoint.path) == before)

    let delta = try Delta.open(store.deltaPath(.last))
    let trained = try expectedWeights(of: record.session, scale: 2)
    #expect(Set(delta.entries.map(\.name)) == Set(trained.keys))
    let merged = fixture.folder["merged.sfckpt"]
    try Delta.apply(to: fixture.checkpoint, deltas: [(delta, 1)], output: merged)
    let result = try Checkpoint.open(merged)
    #expect(Set(result.tensors.map(\.name)).isSuperset(of: trained.keys))
    for found in result.tensors {
      let origin = try #require(fixture.checkpoint.origin(of: found.name))
      if let expected = trained[found.name] {
        let isExact = ![.lora, .loraFA].contains(method)
        let worst = zip(found.widened(), expected).map { abs($0 - $1) }.max() ?? .nan
        #expect(isExact ? found.widened() == expected : worst < 1e-6, "\(found.name)")
        #expect(found.widened() != origin.widened(), "\(found.name) did not train")
      } else {
        #expect(Array(found.data) == Array(origin.data), "\(found.name)")
      }
    }
    // Scored as merged weights, the text has the loss that training saw last. Observed: 4e-8.
    let loss = try fixture.loss(of: text, deltas: [delta])
    #expect(abs(loss / (try #require(record.validations.last)) - 1) < 1e-6)
  }

  /// Trained tensors, low-rank products multiplied out in double.
  private func expectedWeights(
    of session: Session, scale: Double
  ) throws -> [String: [Float]] {
    let parameters = session.parameters
    var weights = parameters.filter { !$0.key.hasSuffix(".a") && !$0.key.hasSuffix(".b") }
    for (name, a) in parameters where name.hasSuffix(".a") {
      let matrix = String(name.dropLast(2))
      let b = try #require(parameters[matrix + ".b"])
      let base = try #require(session.checkpoint.tensor(matrix))
      let (outputs, inputs) = (base.shape[0], base.shape[1])
      let rank = a.count / inputs
      var values = base.widened()
      for row in 0..<outputs {
        for column in 0..<inputs {
          let change = (0..<rank).reduce(0.0) {
            $0 + Double(b[row * rank + $1]) * Double(a[$1 * inputs + column])
          }
          values[row * inputs + column] = Float(
            Double(values[row * inputs + column]) + scale * change)
        }
      }
      weights[matrix] = values
    }
    return weights
  }

  @Test func rowSharesStoreTheirRowsOnly() throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    _ = try fixture.train(
      fixture.adaptation(.rows), TrainingFixture.settings(steps: 1), store: store)
    let delta = try Delta.open(store.deltaPath(.last))
    let rows = Dictionary(uniqueKeysWithValues: delta.entries.map { ($0.name, $0.rows) })
    #expect(
      rows == ["layers[1].mlp.up": 0..<16, "layers[1].attention.query": 0..<16, "norm": 0..<32])
    #expect(delta.storedParameters == 16 * 32 + 16 * 32 + 32)
    #expect(delta.baseHash == fixture.checkpoint.contentHash)
    #expect(delta.method == ["type": "test"])
    #expect(delta.recipe == ["seed": 7])
  }

  /// Writers ask for rows a chunk at a time.
  @Test func updatesGiveAnyRows() throws {
    let fixture = try TrainingFixture()
    let record = try fixture.train(
      fixture.adaptation(.rows), TrainingFixture.settings(steps: 1))
    let parameters = record.session.parameters
    #expect(try record.session.deltaUpdates().count == 3)
    for update in try record.session.deltaUpdates() {
      guard case .rows(_, let read) = update.content else {
        Issue.record("\(update.name) is no range of rows")
        continue
      }
      let width = try #require(fixture.checkpoint.tensor(update.name)).rowWidth
      var found = [Float](repeating: 0, count: 2 * width)
      try found.withUnsafeMutableBufferPointer { buffer in
        try read(3..<5, try #require(buffer.baseAddress))
      }
      #expect(found == Array(try #require(parameters[update.name])[3 * width..<5 * width]))
    }
  }

  /// The method learns ids that the validation text has not: every validation is worse than the one
  /// before it, so the first stays the best and patience ends the run.
  @Test func bestIsKeptAndPatienceEndsTheRun() throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    let settings = TrainingFixture.settings(
      steps: 50, learningRate: 2e-2, warmupSteps: 0, validateEvery: 2, patience: 3)
    let record = try fixture.train(
      FullAdaptation(), settings, validation: TrainingFixture.text(windows: 3, ids: 20..<40),
      store: store)
    #expect(record.summary.reason == .earlyStopping)
    #expect(record.summary.steps == 8)
    let losses = record.validations
    #expect(losses.count == 5 && losses == losses.sorted())
    #expect(record.summary.initialValidationLoss == losses.first)
    #expect(record.summary.bestValidationLoss == losses[1])
    #expect(record.summary.finalValidationLoss == losses.last)
    #expect(record.timeline.contains("warning"), "no validation beat the base")
    let best = try Delta.open(store.deltaPath(.best))
    let last = try Delta.open(store.deltaPath(.last))
    #expect(best.metrics["step"]?.int == 2 && last.metrics["step"]?.int == 8)
    #expect(best.metrics["validation_loss"]?.double == losses[1])
    let text = TrainingFixture.text(windows: 3, ids: 20..<40)
    #expect(abs(try fixture.loss(of: text, deltas: [best]) / losses[1] - 1) < 1e-6)
    #expect(abs(try fixture.loss(of: text, deltas: [last]) / losses[4] - 1) < 1e-6)
  }

  /// Validations that are hardly worse than the best do not end a run yet.
  @Test func patienceEndsTheRunOnlyBeyondItsMargin() throws {
    let fixture = try TrainingFixture()
    var settings = TrainingFixture.settings(
      steps: 50, learningRate: 2e-2, warmupSteps: 0, validateEvery: 2, patience: 3)
    let text = TrainingFixture.text(windows: 3, ids: 20..<40)
    let plain = try fixture.train(FullAdaptation(), settings, validation: text)
    let best = plain.validations.dropFirst().min() ?? 0
    settings.patienceMargin = (plain.validations.last ?? 0) - best + 1e-6
    let patient = try fixture.train(FullAdaptation(), settings, validation: text)
    #expect(patient.summary.reason == .earlyStopping && patient.summary.steps > 8)
    settings.patienceMargin = 1000
    let endless = try fixture.train(FullAdaptation(), settings, validation: text)
    #expect(endless.summary.reason == .finished)
  }

  @Test func withoutValidationTheLastIsTheBest() throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    let record = try fixture.train(
      fixture.adaptation(.norms), TrainingFixture.settings(steps: 2), store: store)
    let (best, last) = (
      try Delta.open(store.deltaPath(.best)), try Delta.open(store.deltaPath(.last))
    )
    #expect(best.entries.map(\.name) == last.entries.map(\.name))
    #expect(best.metrics["step"]?.int == 2)
    #expect(best.metrics["validation_loss"]?.isNull == true)
    #expect(record.summary.bestValidationLoss == nil && record.validations.isEmpty)
  }
}
