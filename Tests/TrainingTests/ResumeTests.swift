import Adaptations
import Checkpoints
import Models
import Records
import Storage
import TestSupport
import Testing
import Training

/// A run that was stopped goes on as if it had not been.
@Suite struct ResumeTests {
  private static let validation = TrainingFixture.text(windows: 3)

  @Test(arguments: TestMethod.allCases, ["adamw", "sgd"])
  func interruptedAndResumedEqualsUninterrupted(method: TestMethod, optimizer: String) throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(
      steps: 9, windows: 3, accumulation: 2,
      optimizer: optimizer == "sgd" ? .sgd(SGD()) : .adamW(AdamW(weightDecay: 0.1)),
      validateEvery: 2)
    let adaptation = fixture.adaptation(method)
    let straight = try fixture.store("straight")
    let whole = try fixture.train(
      adaptation, settings, validation: Self.validation, store: straight)
    let broken = try fixture.store("broken")
    let first = try fixture.train(
      adaptation, settings, validation: Self.validation, store: broken, stopAfter: 4)
    #expect(first.summary.reason == .interrupted && first.summary.steps == 4)
    // Twice, so that what was resumed can be resumed.
    let second = try fixture.train(
      adaptation, settings, validation: Self.validation, store: broken, resuming: true,
      stopAfter: 1)
    #expect(second.summary.steps == 5 && second.steps.first?.step == 5)
    let third = try fixture.train(
      adaptation, settings, validation: Self.validation, store: broken, resuming: true)
    #expect(third.summary.reason == .finished)

    let parts = [first, second, third]
    #expect(parts.flatMap(\.losses) == whole.losses)
    #expect(parts.flatMap(\.validations) == whole.validations)
    #expect(parts.flatMap(\.steps).map(\.learningRate) == whole.steps.map(\.learningRate))
    #expect(third.summary.initialValidationLoss == whole.summary.initialValidationLoss)
    #expect(third.summary.bestValidationLoss == whole.summary.bestValidationLoss)
    for kind in SnapshotKind.allCases {
      #expect(
        try TemporaryFolder.read(broken.deltaPath(kind))
          == TemporaryFolder.read(straight.deltaPath(kind)), "\(kind)")
    }
  }

  /// Steps after the last snapshot are lost, and done again the same way.
  @Test func snapshotsOnTheWayAreEnough() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 6, saveEvery: 2)
    let whole = try fixture.train(FullAdaptation(), settings)
    let store = try fixture.store("run")
    // The state of step 2, as a crash in step 3 leaves it.
    var state: [UInt8] = []
    let session = try fixture.session(FullAdaptation(), settings)
    let trainer = Trainer(
      session, settings: settings, text: TrainingFixture.text(windows: 16), validationText: nil,
      store: store, plannedBytes: 0,
      observe: { event throws(TrainingError) in
        guard case .step(let report) = event, report.step == 3 else { return }
        state = (try? TemporaryFolder.read(store.folder + "/last/state.sfstate")) ?? []
        throw .observer(StorageError.cannotCreate(path: "", reason: "crash"))
      })
    #expect(throws: TrainingError.self) { try trainer.run() }
    #expect(!state.isEmpty)
    let rest = try fixture.train(FullAdaptation(), settings, store: store, resuming: true)
    #expect(rest.losses == Array(whole.losses[2...]))
  }

  @Test func aFinishedRunHasNothingLeftToDo() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 4, validateEvery: 1)
    let store = try fixture.store("run")
    let text = TrainingFixture.text(windows: 3, ids: 20..<40)
    let whole = try fixture.train(FullAdaptation(), settings, validation: text, store: store)
    let again = try fixture.train(
      FullAdaptation(), settings, validation: text, store: store, resuming: true)
    #expect(again.losses.isEmpty && again.validations.isEmpty)
    #expect(again.summary.reason == .finished && again.summary.steps == 4)
    #expect(again.summary.finalValidationLoss == whole.validations.last)
    #expect(again.summary.bestValidationLoss == whole.summary.bestValidationLoss)
  }

  @Test func anEarlyStopHoldsAcrossResumption() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(
      steps: 50, learningRate: 2e-2, warmupSteps: 0, validateEvery: 1, patience: 2)
    let store = try fixture.store("run")
    let text = TrainingFixture.text(windows: 3, ids: 20..<40)
    let first = try fixture.train(FullAdaptation(), settings, validation: text, store: store)
    #expect(first.summary.reason == .earlyStopping)
    let again = try fixture.train(
      FullAdaptation(), settings, validation: text, store: store, resuming: true)
    #expect(again.losses.isEmpty && again.summary.reason == .earlyStopping)
    #expect(again.summary.steps == first.summary.steps)
  }

  @Test func nothingToResume() throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    let error = #expect(throws: TrainingError.self) {
      try fixture.train(
        FullAdaptation(), TrainingFixture.settings(steps: 2), store: store, resuming: true)
    }
    guard case .nothingToResume = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.category == .missingInput)
  }

  /// Each run differs from the one that wrote the state in one thing.
  @Test(arguments: ["method", "tokens per step", "model", "optimizer"])
  func refusesAnotherRunsState(field: String) throws {
    let fixture = try TrainingFixture()
    var settings = TrainingFixture.settings(steps: 3)
    _ = try fixture.train(FullAdaptation(), settings, store: try fixture.store("run"))
    var other = fixture
    var method: JSONValue = ["type": "test"]
    switch field {
    case "method": method = ["type": "lora", "rank": 4]
    case "tokens per step": settings.shape.accumulation = 2
    case "optimizer": settings.optimizer = .sgd(SGD())
    default:
      other = try TrainingFixture(TinyModel.configuration(layers: 1))
    }
    let store = SnapshotStore(folder: fixture.folder["run"], method: method, recipe: [:])
    let error = #expect(throws: TrainingError.self) {
      try other.train(FullAdaptation(), settings, store: store, resuming: true)
    }
    guard case .resumeMismatch(_, let found, _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(found == field || (field == "optimizer" && found.hasPrefix("tensor embedding")))
    #expect(error?.category == .usage)
  }

  /// Values that no run writes, behind a right hash: refused by name, whatever they are.
  @Test func refusesValuesOutOfRange() throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    let settings = TrainingFixture.settings(steps: 2, validateEvery: 1)
    let text = TrainingFixture.text(windows: 2)
    _ = try fixture.train(FullAdaptation(), settings, validation: text, store: store)
    let name = "run/last/state.sfstate"
    let bytes = try fixture.folder.read(name)
    let wrong: [JSONValue] = [
      .int(.max), .int(.min), .int(1_000_000_000_000_000_000), .number(1e300), .int(-1),
      .number(1.5), "x", .null, .array([.int(1)]),
    ]
    var cases: [(key: String, value: JSONValue)] = []
    for key in ["step", "validations_since_best", "tokens_per_step", "sequence_length"] {
      for value in wrong { cases.append((key, value)) }
    }
    for key in ["training_seconds", "elapsed_seconds"] {
      for value in [wrong[1], wrong[3], wrong[6]] { cases.append((key, value)) }
    }
    cases.append(("best_validation_loss", "x"))
    cases.append(("shuffle", 2))
    let decisions: [JSONValue] = [
      .array([]), ["learning_rate": -1], ["learning_rate": "x"], ["scheme": ["norm": 1e300]],
      ["scheme": ["norm": -1]], ["products": [["m": .int(.min)]]], ["precision": ["seconds": -1]],
    ]
    for value in decisions { cases.append(("decision", value)) }
    for (key, value) in cases {
      var parts = TensorFileParts(bytes)
      parts.json = parts.json.replacing(["values", key], with: value)
      try fixture.folder.write(parts.sealed, to: name)
      let error = #expect(throws: TrainingError.self, "\(key) \(value)") {
        try fixture.train(
          FullAdaptation(), settings, validation: text, store: store, resuming: true)
      }
      #expect(error?.category == .badData, "\(key) \(value)")
      #expect(error?.description.contains("values.\(key)") == true)
      #expect(throws: TrainingError.self) { try store.saved() }
    }
    try fixture.folder.write(bytes, to: name)
    #expect(throws: Never.self) {
      try fixture.train(FullAdaptation(), settings, validation: text, store: store, resuming: true)
    }
  }

  @Test func refusesADamagedState() throws {
    let fixture = try TrainingFixture()
    let store = try fixture.store("run")
    let settings = TrainingFixture.settings(steps: 2)
    _ = try fixture.train(FullAdaptation(), settings, store: store)
    let name = "run/last/state.sfstate"
    var bytes = try fixture.folder.read(name)
    bytes[bytes.count / 2] ^= 1
    try fixture.folder.write(bytes, to: name)
    let error = #expect(throws: TrainingError.self) {
      try fixture.train(FullAdaptation(), settings, store: store, resuming: true)
    }
    guard case .checkpoint = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.category == .badData)
  }
}
