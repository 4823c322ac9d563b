import Adaptations
import Checkpoints
import Contributions
import Datasets
import Execution
import Interchange
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

  /// stories260K with one tensor emptied: no gradient flows through it, so that at first nothing
  /// below can stand in for it.
  private func damaged(_ path: String, in folder: TemporaryFolder) throws -> Checkpoint {
    try CheckpointImport.run(
      source: try SharedData.require("stories260K/stories260K.bin"),
      tokenizer: try SharedData.require("stories260K/tok512.model"), elementType: .f32,
      output: folder["whole.sfckpt"])
    let whole = try Checkpoint.open(folder["whole.sfckpt"])
    try CheckpointWriter.write(
      to: folder["damaged.sfckpt"], configuration: whole.configuration,
      tokenizer: whole.tokenizer, elementType: .f32
    ) { (name) throws(CheckpointError) in
      let values = whole.tensor(name)?.widened() ?? []
      return .values(name == path ? values.map { _ in 0 } : values)
    }
    return try Checkpoint.open(folder["damaged.sfckpt"])
  }
}
