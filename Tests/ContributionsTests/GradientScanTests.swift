import Adaptations
import Contributions
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
    _ fixture: TrainingFixture, _ adaptation: some Adaptation, batches: Int = 1
  ) throws -> [String: GradientScore] {
    let weights = try ModelWeights(fixture.checkpoint)
    let scan = try GradientScan(
      compiler(fixture, weights), adaptation: adaptation, weights: weights, pool: fixture.pool,
      kernels: fixture.kernels, seed: settings.seed)
    return scan.run(
      over: TrainingFixture.text(windows: 9), windows: Array(0..<3 * batches))
  }

  /// The change that one step of plain descent at a rate of 1 makes is the gradient.
  @Test func agreesWithAStepOfDescent() throws {
    let fixture = try TrainingFixture()
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
