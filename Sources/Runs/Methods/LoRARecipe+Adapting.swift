import Adaptations
import Models
import Recipes
import Training

extension LoRARecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    MethodChoice(adaptation(of: run.weights.configuration))
  }

  /// - Parameter freezesA: whether A stays as it is drawn.
  func adaptation(
    of configuration: ModelConfiguration, freezesA: Bool = false
  ) -> LoRAAdaptation {
    let matching = configuration.parameters.filter { $0.isMatrix && targets.matches($0.name) }
    return LoRAAdaptation(
      rank: rank, alpha: alpha, targets: Set(matching.map(\.name)), freezesA: freezesA)
  }
}
