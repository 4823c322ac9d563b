import Adaptations
import Checkpoints
import Contributions
import Datasets
import Records
import Storage
import TestSupport
import Training
import Weights

/// An analysis of a small model, as the program sets it up.
struct AnalysisFixture {
  let fixture: TrainingFixture
  var settings: TrainingSettings
  var text = TrainingFixture.text(windows: 400)
  var validation: TokenStream? = TrainingFixture.text(windows: 8, ids: 1..<20)
  var budget = SchemeBudget(bytes: nil, flopsShare: 0.8)
  var headShares: [Double] = [1]

  init(_ fixture: TrainingFixture, steps: Int = 400) {
    self.fixture = fixture
    settings = TrainingFixture.settings(steps: steps, windows: 4)
    settings.schedule.peak = 0
  }

  func context() throws -> AnalysisContext { try context(ModelWeights(fixture.checkpoint)) }

  /// The context for other weights than the fixture's.
  func context(_ weights: ModelWeights) throws -> AnalysisContext {
    let compiler = StepCompiler(
      weights.configuration, settings: settings, elementType: { weights.elementType(of: $0) })
    let full = try compiler.compile(FullAdaptation()).flopsPerToken
    let space = SchemeSpace(weights.configuration, headShares: headShares)
    let headRows = text.rowsByFrequency(vocabularySize: weights.configuration.vocabularySize)
    let threads = fixture.pool.threads
    let costs = SchemeCosts(space) { scheme throws(TrainingError) in
      let step = try compiler.compile(SparseAdaptation(scheme: scheme, headRows: headRows))
      return SchemeCost(
        flops: Int(step.flopsPerToken * Double(compiler.settings.shape.tokensPerStep)),
        bytes: MemoryForecast(step, threads: threads, runtimeBytes: 0).total,
        flopsShare: step.flopsPerToken / full)
    }
    let candidates = WorkFolder(fixture.folder["candidates"], .numberedStores)
    try candidates.create()
    return AnalysisContext(
      compiler: compiler, weights: weights, text: text, validation: validation,
      pool: fixture.pool, kernels: fixture.kernels, budget: budget, costs: costs, space: space,
      runtimeBytes: 0, headRows: headRows, cacheFolder: fixture.folder.path,
      cacheBytes: 1 << 30,
      store: { candidate, _, _ in
        SnapshotStore(
          folder: "\(candidates.path)/\(candidate)", method: ["type": "test"], recipe: [:])
      }, discard: { candidates.remove("\($0)") })
  }

  func analyse(
    _ asked: AnalysisSettings = AnalysisSettings(share: 2), fixedRate: Double? = nil,
    shouldStop: @escaping () -> Bool = { false }
  ) throws -> AnalysisResult {
    let analysis = ContributionAnalysis(
      try context(), settings: asked, fixedRate: fixedRate, key: "key", observe: { _ in },
      shouldStop: shouldStop)
    return try analysis.analyse()
  }
}
