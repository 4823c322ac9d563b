import Adaptations
import Contributions
import Datasets
import Recipes
import Records
import Storage
import Training

extension PreparedRun {
  /// The adaptation of a scheme; a share of the head takes the rows most frequent in the text.
  func adaptation(_ scheme: [String: Double]) -> SparseAdaptation {
    let needsRows = scheme[SchemeSpace.head].map { $0 < 1 } ?? false
    return SparseAdaptation(scheme: scheme, headRows: needsRows ? headRows : [])
  }

  /// Shares of the head that may be chosen: all rows, and where that saves much also only those
  /// whose pieces occur in the training text.
  private var headShares: [Double] {
    guard recipe.analysis.head else { return [] }
    let size = weights.configuration.vocabularySize
    let counts = corpus.train.pieceFrequencies(vocabularySize: size)
    let share = Double(counts.count { $0 > 0 }) / Double(size)
    return share < 0.8 ? [share, 1] : [1]
  }

  /// Costs of schemes, measured by compiling them.
  func schemeCosts(_ space: SchemeSpace) -> SchemeCosts {
    SchemeCosts(space) { scheme throws(TrainingError) in
      let step = try compiler.compile(adaptation(scheme))
      let forecast = MemoryForecast(step, threads: pool.threads, runtimeBytes: runtimeBytes)
      return SchemeCost(
        flops: Int(step.flopsPerToken * Double(settings.shape.tokensPerStep)),
        bytes: forecast.total, flopsShare: step.flopsPerToken / fullFlopsPerToken)
    }
  }

  /// Candidates that need no measurement.
  func candidates(_ sparse: SparseRecipe) throws -> [Candidate] {
    let space = SchemeSpace(weights.configuration, headShares: headShares)
    return try Candidates(schemeCosts(space), seed: settings.seed).all(within: sparse.limits)
  }

  /// The single candidate of a control.
  func control(
    _ kind: Candidates.Control, _ sparse: SparseRecipe
  ) throws(TrainingError) -> Candidate {
    let costs = schemeCosts(SchemeSpace(weights.configuration))
    return try Candidates(costs, seed: settings.seed).control(kind, within: sparse.limits)
  }

  /// The analysis for `"tensors": "auto"`.
  ///
  /// - Parameter key: hash of everything that the result depends on.
  func analysis(
    _ sparse: SparseRecipe, key: String, observe: @escaping (AnalysisProgress) -> Void = { _ in }
  ) -> ContributionAnalysis {
    let space = SchemeSpace(weights.configuration, headShares: headShares)
    let asked = recipe.analysis
    let context = AnalysisContext(
      compiler: compiler, weights: weights, text: corpus.train, validation: corpus.validation,
      pool: pool, kernels: kernels, budget: sparse.limits, costs: schemeCosts(space),
      space: space, runtimeBytes: runtimeBytes, headRows: headRows, cacheFolder: cacheFolder,
      cacheBytes: prefixCacheLimit,
      store: { candidate, scheme, rate in
        store(in: candidateFolder(candidate), scheme: scheme, rate: rate)
      }, discard: { candidatesFolder.remove("\($0)") })
    return ContributionAnalysis(
      context,
      settings: AnalysisSettings(
        share: asked.share, measuresContributions: asked.contributions,
        probesJointly: asked.jointProbes),
      fixedRate: fixedRate, key: key, observe: observe,
      shouldStop: shouldStop)
  }

  /// Measures which tensors are worth updating, ignoring earlier measurements, and writes the
  /// result to the run's folder for the next run of the recipe. Nothing is trained.
  ///
  /// - Parameter observe: called with the progress of probes.
  /// - Throws: `RunsError.nothingToAnalyse` where the recipe fixes the tensors,
  ///   `StorageError.occupied` where something of the user's is in the place of a folder that
  ///   measuring needs, `TrainingError.interrupted` if it was asked to stop.
  public func analyse(
    observe: @escaping (AnalysisProgress) -> Void = { _ in }
  ) throws -> AnalysisResult {
    try method.analyse(in: self, observe: observe)
  }

  /// Measures which tensors to train; the winning probe is kept for the run to continue from.
  func analyse(
    _ sparse: SparseRecipe, _ earlier: EarlierMeasurements,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws -> AnalysisResult {
    try store(in: recipe.output.absolute, scheme: nil, rate: 0).pending.check()
    try candidatesFolder.check()
    candidatesFolder.remove()
    try candidatesFolder.create()
    try Folder.create(cacheFolder)
    do {
      let result = try analysis(sparse, key: earlier.key, observe: observe).analyse()
      try earlier.write(result.record, to: EarlierMeasurements.contributions)
      return result
    } catch {
      candidatesFolder.remove()
      throw error
    }
  }
}

// Probes leave their state in folders of their own until the run goes on from one of them.
extension PreparedRun {
  var candidatesFolder: WorkFolder {
    WorkFolder(recipe.output.absolute + "/candidates", .numberedStores)
  }

  func candidateFolder(_ index: Int) -> String { "\(candidatesFolder.path)/\(index)" }
}

extension SparseRecipe {
  /// The recipe's budget in the form that the search takes.
  var limits: SchemeBudget {
    let budget = budget ?? Self.defaultBudget
    return SchemeBudget(bytes: budget.memoryBytes, flopsShare: budget.flopsShare)
  }
}
