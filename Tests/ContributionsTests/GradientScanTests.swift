import Adaptations
import Contributions
import Datasets
import TestSupport
import Testing
import Training
import Weights

/// Cheap scores against the gradients that training itself sees.
@Suite struct GradientScanTests {
  private let settings = TrainingFixture.settings(
    steps: 1, windows: 3, optimizer: .sgd(SGD(momentum: 0)), learningRate: 1, clipNorm: nil,
    warmupSteps: 0, shuffles: false)

  private func compiler(_ fixture: TrainingFixture, _ weights: ModelWeights) -> StepCompiler {
    StepCompiler(
      fixture.configuration, settings: settings, elementType: { weights.elementType(of: $0) })
  }

  private func scan(
    _ fixture: TrainingFixture, _ adaptation: some Adaptation, batches: Int = 1,
    text: TokenStream = TrainingFixture.text(windows: 9), windows: [Int]? = nil
  ) throws -> [String: GradientScore] {
    let weights = try ModelWeights(fixture.checkpoint)
    let scan = try GradientScan(
      compiler(fixture, weights), adaptation: adaptation, weights: weights, pool: fixture.pool,
      kernels: fixture.kernels, seed: settings.seed)
    return scan.run(over: text, windows: windows ?? Array(0..<3 * batches))
  }

  /// The change that one step of plain descent at a rate of 1 makes is the gradient.
  @Test(arguments: FamilyCase.all)
  func agreesWithAStepOfDescent(_ family: FamilyCase) throws {
    let fixture = try TrainingFixture(family.configuration)
    let scores = try scan(fixture, ScoredAdaptation())
    let session = try fixture.session(FullAdaptation(), settings)
    let before = session.stateBuffers.map { ($0.name, $0.values) }
    let trainer = Trainer(
      session, settings: settings, text: TrainingFixture.text(windows: 9), validationText: nil,
      store: nil, plannedBytes: 0, observe: { (_) throws(TrainingError) in })
    _ = try trainer.run()
    var checked = 0
    for ((name, old), new) in zip(before, session.stateBuffers) {
      // "layers[1].mlp.up[0..<48]"; optimizer state has more behind it.
      guard name.hasSuffix("]"), let bracket = name.lastIndex(of: "["),
        let score = scores[String(name[..<bracket])]
      else { continue }
      let gradient = zip(old, new.values).map { Double($0) - Double($1) }
      let absolute = gradient.reduce(0) { $0 + $1.magnitude }
      let squares = gradient.reduce(0) { $0 + $1 * $1 }
      // Differences of f32 parameters around 1 carry some 1e-7 each.
      #expect((score.absolute - absolute).magnitude <= 2e-3 * absolute + 1e-5, "\(name)")
      #expect((score.fisher - squares).magnitude <= 4e-3 * squares + 1e-8, "\(name)")
      checked += 1
    }
    #expect(checked == scores.count && checked == fixture.configuration.parameters.count)
  }

  /// Over several micro-batches scores are means, and the sign score is at most Σ|g|.
  @Test func severalBatches() throws {
    let fixture = try TrainingFixture()
    let one = try scan(fixture, ScoredAdaptation())
    let three = try scan(fixture, ScoredAdaptation(), batches: 3)
    for (path, score) in three {
      let first = try #require(one[path])
      #expect(first.update == 0, "nothing to judge the first batch by")
      #expect(score.update.magnitude <= 1.5 * score.absolute)
      #expect(score.absolute > 0.2 * first.absolute && score.absolute < 5 * first.absolute)
    }
    #expect(three["layers[1].mlp.down"]?.update ?? 0 > 0, "batches of one text agree in sign")
  }

  /// The gradient is that of the mean over the targets that count, and micro-batches without any are
  /// left out.
  @Test func targetsThatDoNotCount() throws {
    let fixture = try TrainingFixture()
    let plain = TrainingFixture.text(windows: 9)
    // Of the first micro-batch the first window counts, of the second none, of the third all.
    let scored = (0..<plain.count).map { ($0 - 1) / 12 < 1 || ($0 - 1) / 12 >= 6 }
    let text = TokenStream(
      ids: (0..<plain.count).map { plain[$0] },
      documentStarts: Array(stride(from: 0, to: plain.count, by: 29)), bytes: plain.bytes,
      scored: scored)
    let masked = try scan(fixture, ScoredAdaptation(), text: text, windows: Array(0..<9))
    let same = try scan(
      fixture, ScoredAdaptation(), text: plain, windows: [0, 0, 0, 6, 7, 8])
    for (path, score) in masked {
      let expected = try #require(same[path])
      #expect((score.absolute / expected.absolute - 1).magnitude < 1e-4, "\(path)")
      #expect((score.fisher / expected.fisher - 1).magnitude < 1e-3, "\(path)")
      #expect((score.update - expected.update).magnitude < 1e-4 * expected.absolute, "\(path)")
    }
  }

  /// Held-out windows are those in which a target counts.
  @Test func heldOutWindowsCount() throws {
    let plain = TrainingFixture.text(windows: 9)
    let text = TokenStream(
      ids: (0..<plain.count).map { plain[$0] }, documentStarts: [0], bytes: plain.bytes,
      scored: (0..<plain.count).map { ($0 - 1) / 12 % 2 == 1 && $0 % 2 == 0 })
    let held = try #require(
      HeldOutWindows(settings, text: plain, validation: text, probeWindows: 1))
    #expect(held.windows == [1, 3, 5, 7])
    #expect(held.weights == [0.5, 0.5, 0.5, 0.5])
    let all = try #require(
      HeldOutWindows(settings, text: plain, validation: plain, probeWindows: 1))
    #expect(all.windows == Array(0..<9) && all.weights == Array(repeating: 1, count: 9))
    let none = TokenStream(
      ids: [1, 2, 3], documentStarts: [0], bytes: 3, scored: [false, false, false])
    #expect(
      HeldOutWindows(settings, text: plain, validation: none, probeWindows: 1)?.source
        == "training text")
  }

  /// Scored tensors are read where they are mapped, in whatever type, and nothing changes.
  @Test func leavesTheModelAlone() throws {
    let plain = try TrainingFixture()
    let narrow = try TrainingFixture(elementType: .bf16)
    let reference = try scan(plain, ScoredAdaptation(paths: ["layers[0].mlp.up"]))
    let scores = try scan(narrow, ScoredAdaptation(paths: ["layers[0].mlp.up"]))
    #expect(Set(scores.keys) == ["layers[0].mlp.up"])
    let a = try #require(scores["layers[0].mlp.up"])
    let b = try #require(reference["layers[0].mlp.up"])
    #expect((a.absolute / b.absolute - 1).magnitude < 0.02, "bf16 rounds the model a little")
    #expect(throws: TrainingError.self) {
      try scan(plain, ScoredAdaptation(paths: ["layers[9].mlp.up"]))
    }
  }

  /// Low-rank factors: A's gradient is zero while B is.
  @Test func lowRankFactors() throws {
    let fixture = try TrainingFixture()
    let scores = try scan(
      fixture, LoRAAdaptation(rank: 2, alpha: 4, targets: ["layers[0].mlp.up"]))
    #expect(scores["layers[0].mlp.up.lora_a"]?.absolute == 0)
    #expect(scores["layers[0].mlp.up.lora_b"]?.absolute ?? 0 > 0)
  }
}
