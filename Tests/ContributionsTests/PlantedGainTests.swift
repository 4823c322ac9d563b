import Adaptations
import Checkpoints
import Contributions
import Datasets
import Execution
import Models
import Tensors
import TestSupport
import Testing
import Tokenizers
import Training
import Weights

/// A gain planted by construction: one tensor of a trained model is damaged, and training that tensor
/// must show as the largest gain.
@Suite struct PlantedGainTests {
  @Test(
    .enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason),
    arguments: ["layers[3].mlp.down", "layers[3].attention.output"])
  func theDamagedTensorIsFound(path: String) throws {
    let folder = try TemporaryFolder()
    let model = try damaged(path, in: folder)
    let weights = try ModelWeights(model)
    let tokenizer = try SentencePieceTokenizer(serialized: model.tokenizerBytes)
    let corpus = try Corpus.prepare(
      train: [try SharedData.require("text/tinystories.txt")], validation: .none,
      sequenceLength: 64, separator: "<|endoftext|>", tokenizer: tokenizer,
      cacheFolder: folder.path)
    var settings = TrainingFixture.settings(steps: 4000, windows: 4)
    settings.shape = BatchShape(windows: 4, tokens: 64)
    let compiler = StepCompiler(
      weights.configuration, settings: settings, elementType: { weights.elementType(of: $0) })
    let heldOut = try #require(
      HeldOutWindows(settings, text: corpus.train, validation: nil, probeWindows: 200))
    let pool = try WorkerPool(threads: 2)
    let kernels = try Kernels.forThisMachine()
    let bench = ProbeBench(
      compiler, weights: weights, text: corpus.train, heldOut: heldOut, pool: pool,
      kernels: kernels,
      prefixes: SharedPrefixes(
        text: corpus.train, trainedWindows: 200, heldOut: heldOut, folder: folder.path,
        byteLimit: 1 << 30), shouldStop: { false })
    let plan = AnalysisPlan(
      calibrationSteps: 0, coverage: .kinds, contributionSteps: 20, candidates: 1, firstSteps: 0,
      finalists: 1, finalSteps: 0)
    let probes = ContributionProbes(
      configuration: weights.configuration, plan: plan, headShare: nil
    ) { (scheme, order) throws(TrainingError) in
      let schedule = LearningRateSchedule(
        curve: .linear, peak: 3e-3, warmupSteps: 3, finalRatio: 0, totalSteps: 20)
      return try bench.run(
        Probe(
          SparseAdaptation(scheme: scheme), schedule: schedule, steps: 20,
          reordering: order == 0 ? nil : BatchOrder.Reordering(count: 80, draw: order))
      ).loss
    }
    let table = try probes.measure(baseLoss: try bench.baseLoss())
    let last = "layers[\(weights.configuration.layers - 1)]"
    let below = table.contributions.filter { $0.isMeasured && !$0.path.hasPrefix(last) }
    let best = try #require(below.max { ($0.gain ?? 0) < ($1.gain ?? 0) })
    let second = below.filter { $0.path != path }.compactMap(\.gain).max() ?? 0
    #expect(best.path == path)
    #expect(table.score(best) > 1.2 * second, "gain \(best.gain ?? 0), the next \(second)")
  }

  /// The lowest block's matrices were moved by a matrix of rank 2, and the budget of schemes reaches
  /// no more than the last blocks: low-rank factors, which reach everything, are chosen.
  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func lowRankIsChosenForDamageBelowEveryScheme() throws {
    let folder = try TemporaryFolder()
    var random = RandomSource(seed: 5)
    let model = try DamagedStories.make(in: folder) { path, values, shape in
      guard path.hasPrefix("layers[0]"), shape.rank == 2 else { return values }
      return moved(values, shape, random: &random)
    }
    let weights = try ModelWeights(model)
    let corpus = try Corpus.prepare(
      train: [try SharedData.require("text/tinystories.txt")], validation: .none,
      sequenceLength: 64, separator: "<|endoftext|>",
      tokenizer: try SentencePieceTokenizer(serialized: model.tokenizerBytes),
      cacheFolder: folder.path)
    var fixture = AnalysisFixture(try TrainingFixture())
    fixture.settings = TrainingFixture.settings(steps: 600, windows: 4)
    fixture.settings.shape = BatchShape(windows: 4, tokens: 64)
    fixture.budget.flopsShare = 0.5
    (fixture.text, fixture.validation) = (corpus.train, nil)
    let targets = weights.configuration.parameters.filter { $0.isMatrix && $0.path.layer != nil }
    let rival = LoRAAdaptation(rank: 8, alpha: 16, targets: Set(targets.map(\.name)))
    var context = try fixture.context(weights)
    context.rivals = [
      Candidate(
        label: "LoRA", CandidateMethod(rival, recipe: ["type": "lora"]),
        cost: SchemeCost(flops: 1, bytes: 1, flopsShare: 0.5))
    ]
    let result = try ContributionAnalysis(
      context, settings: AnalysisSettings(share: 0.6, measuresContributions: false),
      fixedRate: nil, key: "key"
    ).analyse()
    #expect(result.candidates.count > 3)
    #expect(result.chosen?.candidate.label == "LoRA")
    #expect(result.chosen?.candidate.method?.adaptation.name == "lora")
  }

  /// W + Σ u·vᵀ over two random pairs, of about the size of W.
  private func moved(
    _ values: [Float], _ shape: Shape, random: inout RandomSource
  ) -> [Float] {
    let size = (values.reduce(0) { $0 + $1 * $1 } / Float(values.count)).squareRoot()
    var values = values
    for _ in 0..<2 {
      let u = (0..<shape[0]).map { _ in Float(2 * random.uniform() - 1) }
      let v = (0..<shape[1]).map { _ in Float(2 * random.uniform() - 1) }
      for row in 0..<shape[0] {
        for column in 0..<shape[1] { values[row * shape[1] + column] += size * u[row] * v[column] }
      }
    }
    return values
  }

  /// stories260K with one tensor emptied: no gradient flows through it, so that at first nothing
  /// below can stand in for it.
  private func damaged(_ path: String, in folder: TemporaryFolder) throws -> Checkpoint {
    try DamagedStories.make(in: folder) { name, values, _ in
      name == path ? values.map { _ in 0 } : values
    }
  }
}
