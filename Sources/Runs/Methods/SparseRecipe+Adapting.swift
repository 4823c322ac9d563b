import Adaptations
import Contributions
import Models
import Recipes
import Training

extension SparseRecipe: AdaptingMethod {
  /// The tensors that the recipe lists, or those of a control; for "auto" the simplest candidate.
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    if case .shares(let shares) = tensors {
      return MethodChoice(run.adaptation(Self.scheme(shares, run.weights.configuration)))
    }
    let control = try run.control(tensors == .random ? .random : .lastBlocks, self)
    return MethodChoice(
      SparseAdaptation(scheme: control.scheme),
      explanation: "tensors \"\(tensors.word)\": \(control.explanation)")
  }

  /// Shares by tensor; where several patterns match one, the last one counts.
  private static func scheme(
    _ shares: [PatternShare], _ configuration: ModelConfiguration
  ) -> [String: Double] {
    var scheme: [String: Double] = [:]
    for parameter in configuration.parameters {
      if let match = shares.last(where: { $0.pattern.matches(parameter.name) }) {
        scheme[parameter.name] = match.share
      }
    }
    if configuration.tiedHead, let head = shares.last(where: { $0.pattern.spellsOut("head") }) {
      scheme["head"] = head.share
    }
    return scheme
  }
}

// "auto": tensors are measured when the run starts.
extension SparseRecipe {
  func choice(
    in run: PreparedRun, resuming scheme: [String: Double]
  ) throws(TrainingError) -> MethodChoice {
    guard tensors.needsBudget, !scheme.isEmpty else { return try choice(in: run) }
    return MethodChoice(
      run.adaptation(scheme),
      explanation: "tensors \"\(tensors.word)\": the \(scheme.count) that the snapshot has")
  }

  func decision(
    in run: PreparedRun, _ record: EarlierMeasurements,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws -> MethodDecision {
    guard tensors == .auto else {
      return try MethodDecision(choice(in: run), in: run, record, observe: observe)
    }
    return try record.knownScheme() ?? measured(in: run, record, observe)
  }

  func unmeasuredDecision(
    in run: PreparedRun, _ record: EarlierMeasurements
  ) throws -> MethodDecision {
    guard tensors == .auto else {
      return MethodDecision(unmeasured: try choice(in: run), in: run, record)
    }
    if let known = record.knownScheme() { return known }
    let candidates = try run.candidates(self)
    let candidate = Candidates.unprobed(
      candidates, parameters: run.weights.configuration.parameterCount)
    let choice = MethodChoice(
      run.adaptation(candidate.scheme),
      explanation:
        "tensors \"auto\" are decided when the run starts, between \(candidates.count) candidates or "
        + "more that all keep the budget; these are the figures of \(candidate.label)")
    var decision = MethodDecision(choice, learningRate: 0)
    (decision.measuringSteps, decision.measuringBytes) =
      try run.analysis(self, key: record.key).forecast()
    return decision
  }

  func analyse(
    in run: PreparedRun, observe: @escaping (AnalysisProgress) -> Void
  ) throws -> AnalysisResult {
    guard tensors == .auto else {
      throw RunsError.nothingToAnalyse(method: run.recipe.method.displayLabel)
    }
    let result = try run.analyse(self, EarlierMeasurements(run), observe: observe)
    run.candidatesFolder.remove()
    return result
  }

  /// The winner of an analysis; the run goes on from its probe.
  private func measured(
    in run: PreparedRun, _ record: EarlierMeasurements,
    _ observe: @escaping (AnalysisProgress) -> Void
  ) throws -> MethodDecision {
    let result = try run.analyse(self, record, observe: observe)
    guard let chosen = result.candidates.firstIndex(where: \.isChosen) else {
      preconditionFailure("an analysis without a winner")
    }
    let winner = result.candidates[chosen]
    var decision = MethodDecision(
      MethodChoice(run.adaptation(winner.candidate.scheme)), learningRate: winner.learningRate)
    decision.explanation = result.explanation
    decision.analysis = .contributions(result.record)
    decision.analysisSeconds = result.seconds
    decision.measuringBytes = result.largestStep
    decision.initialValidationLoss = result.initialValidationLoss
    if !result.reports.isEmpty {
      decision.continuation = MethodDecision.Continuation(
        store: run.store(
          in: run.candidateFolder(chosen), scheme: winner.candidate.scheme,
          rate: winner.learningRate),
        reports: result.reports)
    }
    return decision
  }
}
