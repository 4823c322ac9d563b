import Adaptations
import Contributions
import Models
import Recipes
import Records
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
  func choice(in run: PreparedRun, resuming saved: RunDecision?) throws -> MethodChoice {
    guard tensors.needsBudget, let scheme = saved?.scheme, !scheme.isEmpty else {
      return try choice(in: run)
    }
    return MethodChoice(
      run.adaptation(scheme.mapValues { min(1, $0) }),
      explanation: "tensors \"\(tensors.word)\": the \(scheme.count) that the snapshot has")
  }

  func decision(
    in run: PreparedRun, _ record: EarlierMeasurements,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws -> MethodDecision {
    guard tensors == .auto else {
      return try MethodDecision(choice(in: run), in: run, record, observe: observe)
    }
    return try MethodSelection(in: run, within: limits).decision(record, observe: observe)
  }

  func unmeasuredDecision(
    in run: PreparedRun, _ record: EarlierMeasurements
  ) throws -> MethodDecision {
    guard tensors == .auto else {
      return MethodDecision(unmeasured: try choice(in: run), in: run, record)
    }
    return try MethodSelection(in: run, within: limits).unmeasuredDecision(record)
  }

  func analyse(
    in run: PreparedRun, observe: @escaping (AnalysisProgress) -> Void
  ) throws -> AnalysisResult {
    guard tensors == .auto else {
      throw RunsError.nothingToAnalyse(method: run.recipe.method.displayLabel)
    }
    return try MethodSelection(in: run, within: limits).analyse(observe: observe)
  }
}
