import Adaptations
import Configurations
import Contributions
import Recipes
import Tensors
import Training

/// A recipe's method as what the compiler needs, and a sentence on how it came about.
struct MethodChoice {
  var adaptation: any Adaptation
  /// How tensors were chosen where the recipe did not say it.
  var choice: String?

  /// Turns a method into an adaptation of a model.
  ///
  /// - Parameter rule: decides what "auto", "last" and "random" stand for.
  init(
    _ method: MethodRecipe, _ configuration: ModelConfiguration, rule: SchemeRule
  ) throws(TrainingError) {
    switch method {
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
        adaptation = SparseAdaptation(scheme: Self.scheme(shares, configuration))
        return
      }
      let budget = sparse.budget ?? SparseRecipe.defaultBudget
      let limits = SchemeBudget(bytes: budget.memoryBytes, stepTime: budget.stepTime)
      let selection = sparse.tensors == .random ? SchemeRule.Order.random : .lastBlocks
      let found = try rule.choose(selection, within: limits)
      adaptation = SparseAdaptation(scheme: found.scheme)
      choice = "tensors \"\(sparse.tensors.word)\": \(found.explanation)"
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
    return scheme
  }
}
