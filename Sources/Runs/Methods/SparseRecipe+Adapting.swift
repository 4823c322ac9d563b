import Adaptations
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
