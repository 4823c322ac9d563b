import Adaptations
import Contributions
import Models
import Recipes
import Tensors
import Training

/// A recipe's method as what the compiler needs, for all but "auto" tensors.
struct MethodChoice {
  var adaptation: any Adaptation
  /// How tensors were chosen where the recipe did not say it.
  var explanation: String?

  /// Turns a method into an adaptation of the model; "auto" stands for its simplest candidate.
  ///
  /// - Throws: `TrainingError.budget` if nothing fits.
  init(_ run: PreparedRun) throws(TrainingError) {
    let configuration = run.weights.configuration
    switch run.recipe.method.method {
    case .full: adaptation = FullAdaptation()
    case .norms: adaptation = NormsAdaptation()
    case .lastLayers(let last):
      adaptation = LastLayersAdaptation(
        count: last.count, layers: configuration.layers, trainsHead: last.trainHead)
    case .lora(let lora):
      let targets = configuration.parameters.filter { parameter in
        parameter.isMatrix && lora.targets.matches(parameter.name)
      }
      adaptation = LoRAAdaptation(
        rank: lora.rank, alpha: lora.alpha, targets: Set(targets.map(\.name)))
    case .sparse(let sparse):
      if case .shares(let shares) = sparse.tensors {
        adaptation = run.adaptation(Self.scheme(shares, configuration))
        return
      }
      let control = try run.control(sparse.tensors == .random ? .random : .lastBlocks, sparse)
      adaptation = SparseAdaptation(scheme: control.scheme)
      explanation = "tensors \"\(sparse.tensors.word)\": \(control.explanation)"
    }
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
