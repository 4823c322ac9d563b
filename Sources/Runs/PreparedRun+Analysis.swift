import Adaptations
import Contributions
import Datasets
import Pages
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

  /// Tensors that an update scheme may have.
  var schemeSpace: SchemeSpace {
    SchemeSpace(weights.configuration, headShares: headShares)
  }

  /// Costs of schemes, measured by compiling them.
  func schemeCosts(_ space: SchemeSpace) -> SchemeCosts {
    SchemeCosts(space) { scheme throws(TrainingError) in try cost(of: adaptation(scheme)) }
  }

  /// The cost of a method's step, measured by compiling it.
  func cost(of adaptation: any Adaptation) throws(TrainingError) -> SchemeCost {
    let step = try compiler.compile(adaptation)
    // A budget is for the real peak: with what the compiled step takes, and the forecast's margin.
    let runtime = runtimeBytes + MemoryForecast.compiledBytes(of: step) + Self.forecastMargin
    let forecast = MemoryForecast(step, threads: pool.threads, runtimeBytes: runtime)
    return SchemeCost(
      flops: Int(step.flopsPerToken * Double(settings.shape.tokensPerStep)),
      bytes: forecast.total, flopsShare: step.flopsPerToken / fullFlopsPerToken)
  }

  /// The single candidate of a control.
  func control(
    _ kind: Candidates.Control, _ sparse: SparseRecipe
  ) throws(TrainingError) -> Candidate {
    let costs = schemeCosts(SchemeSpace(weights.configuration))
    return try Candidates(costs, seed: settings.seed).control(kind, within: sparse.limits)
  }

  /// Measures what is worth updating, ignoring earlier measurements, and writes the
  /// result to the run's folder for the next run of the recipe, and as a page. Nothing is trained.
  ///
  /// - Parameter observe: called with the progress of probes.
  /// - Throws: `RunsError.nothingToAnalyse` where the recipe fixes the tensors,
  ///   `StorageError.occupied` where something of the user's is in the place of a folder that
  ///   measuring needs, `TrainingError.interrupted` if it was asked to stop.
  public func analyse(
    observe: @escaping (AnalysisProgress) -> Void = { _ in }
  ) throws -> AnalysisResult {
    let result = try method.analyse(in: self, observe: observe)
    try RunPage.write(in: recipe.output.absolute)
    return result
  }
}

// Probes leave their state in folders of their own until the run goes on from one of them.
extension PreparedRun {
  var candidatesFolder: WorkFolder {
    WorkFolder(recipe.output.absolute + "/candidates", .numberedStores)
  }

  /// Removes the states of probes that no run goes on from.
  public func forgetCandidates() { candidatesFolder.remove() }

  func candidateFolder(_ index: Int) -> String { "\(candidatesFolder.path)/\(index)" }
}

extension SparseRecipe {
  /// The recipe's budget in the form that the search takes.
  var limits: SchemeBudget { SchemeBudget(budget ?? Self.defaultBudget) }
}

extension SchemeBudget {
  init(_ budget: BudgetRecipe) {
    self.init(bytes: budget.memoryBytes, flopsShare: budget.flopsShare)
  }
}
