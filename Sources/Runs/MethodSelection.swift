import Adaptations
import Contributions
import Recipes
import Records
import Storage
import Training

/// What is to be decided when a run starts, by probes if its length pays for them: which tensors
/// train, or which method.
struct MethodSelection {
  let run: PreparedRun
  let limits: SchemeBudget
  /// Methods that take part beside update schemes; see `AnalysisContext.rivals`.
  let rivals: [Candidate]
  /// How many sets drawn at random take part, as a control.
  private let randomDraws: Int
  /// Shared, so that no scheme is compiled twice.
  private let costs: SchemeCosts

  init(
    in run: PreparedRun, within limits: SchemeBudget, rivals: [Candidate] = [],
    drawsRandomly: Bool = true
  ) {
    self.run = run
    self.limits = limits
    self.rivals = rivals
    randomDraws = drawsRandomly ? Candidates.usualDraws : 0
    costs = run.schemeCosts(run.schemeSpace)
  }

  /// The decision of an earlier run, or one that is measured now; the run goes on from the winner's
  /// probe.
  ///
  /// - Parameter observe: called with the progress of probes.
  func decision(
    _ record: EarlierMeasurements, observe: @escaping (AnalysisProgress) -> Void
  ) throws -> MethodDecision {
    if let known = try record.knownChoice() { return known }
    let result = try measured(record, asEvidence: false, observe: observe)
    guard let chosen = result.candidates.firstIndex(where: \.isChosen) else {
      preconditionFailure("an analysis without a winner")
    }
    let winner = result.candidates[chosen]
    var decision = MethodDecision(choice(winner.candidate), learningRate: winner.learningRate)
    decision.explanation = result.explanation
    decision.analysis = .contributions(result.record)
    decision.analysisSeconds = result.seconds
    decision.measuringBytes = result.largestStep
    decision.initialValidationLoss = result.initialValidationLoss
    if !result.reports.isEmpty {
      decision.continuation = MethodDecision.Continuation(
        store: store(chosen, winner.candidate, winner.learningRate), reports: result.reports)
    }
    return decision
  }

  /// The decision without training anything, and what measuring would take.
  func unmeasuredDecision(_ record: EarlierMeasurements) throws -> MethodDecision {
    if let known = try record.knownChoice() { return known }
    let candidates = try candidates()
    let candidate = Candidates.unprobed(
      candidates, parameters: run.weights.configuration.parameterCount)
    var choice = choice(candidate)
    let analysis = analysis(key: record.key, asEvidence: false)
    let (steps, bytes) = try analysis.forecast()
    choice.explanation =
      "\"auto\" is decided when the run starts, between \(candidates.count) candidates or "
      + "more that all keep the budget; these are the figures of \(candidate.label)"
    var decision = MethodDecision(choice, learningRate: 0)
    (decision.measuringSteps, decision.measuringBytes) = (steps, bytes)
    return decision
  }

  /// What is trained without probes.
  func simplest() throws(TrainingError) -> MethodChoice {
    let candidate = Candidates.unprobed(
      try candidates(), parameters: run.weights.configuration.parameterCount)
    var choice = choice(candidate)
    choice.explanation = "\"auto\": \(candidate.explanation)"
    return choice
  }

  /// Measures, ignoring earlier measurements, and writes the result for the next run; nothing is
  /// trained.
  func analyse(observe: @escaping (AnalysisProgress) -> Void) throws -> AnalysisResult {
    let result = try measured(EarlierMeasurements(run), asEvidence: true, observe: observe)
    run.candidatesFolder.remove()
    return result
  }

  /// Measures; the winning probe is kept for the run to continue from.
  ///
  /// - Parameter asEvidence: what tensors gain is asked for, not only a choice.
  private func measured(
    _ record: EarlierMeasurements, asEvidence: Bool,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws -> AnalysisResult {
    try run.store(in: run.recipe.output.absolute).pending.check()
    let folder = run.candidatesFolder
    try folder.check()
    folder.remove()
    try folder.create()
    try Folder.create(run.cacheFolder)
    do {
      let analysis = analysis(key: record.key, asEvidence: asEvidence, observe: observe)
      let result = try analysis.analyse()
      try record.write(result.record, to: EarlierMeasurements.contributions)
      return result
    } catch {
      folder.remove()
      throw error
    }
  }

  /// Candidates that need no measurement.
  private func candidates() throws(TrainingError) -> [Candidate] {
    try Candidates(costs, seed: run.settings.seed).all(
      within: limits, rivals: rivals, parameters: run.weights.configuration.parameterCount,
      randomDraws: randomDraws)
  }

  private func analysis(
    key: String, asEvidence: Bool, observe: @escaping (AnalysisProgress) -> Void = { _ in }
  ) -> ContributionAnalysis {
    let asked = run.recipe.analysis
    let context = AnalysisContext(
      compiler: run.compiler, weights: run.weights, text: run.corpus.train,
      validation: run.corpus.validation, pool: run.pool, kernels: run.kernels, budget: limits,
      costs: costs, space: costs.space, rivals: rivals, randomDraws: randomDraws,
      runtimeBytes: run.runtimeBytes,
      headRows: run.headRows, cacheFolder: run.cacheFolder, cacheBytes: run.prefixCacheLimit,
      store: store, discard: { run.candidatesFolder.remove("\($0)") })
    return ContributionAnalysis(
      context,
      settings: AnalysisSettings(
        share: asked.share, measuresContributions: asked.contributions ?? asEvidence,
        probesJointly: asked.jointProbes),
      fixedRate: run.fixedRate, key: key, observe: observe, shouldStop: run.shouldStop)
  }

  private func choice(_ candidate: Candidate) -> MethodChoice {
    guard let method = candidate.method else {
      return MethodChoice(run.adaptation(candidate.scheme))
    }
    return MethodChoice(method.adaptation, recipe: method.recipe)
  }

  /// Where a candidate's probe leaves its state.
  private func store(_ index: Int, _ candidate: Candidate, _ rate: Double) -> SnapshotStore {
    run.store(
      in: run.candidateFolder(index),
      RunDecision(
        scheme: candidate.method == nil ? candidate.scheme : nil,
        method: candidate.method?.recipe, learningRate: rate))
  }
}
