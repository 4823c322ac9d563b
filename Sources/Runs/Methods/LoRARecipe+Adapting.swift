import Adaptations
import Models
import Recipes
import Training

extension LoRARecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    let matching = run.weights.configuration.parameters.filter {
      $0.isMatrix && targets.matches($0.name)
    }
    return MethodChoice(
      LoRAAdaptation(rank: rank, alpha: alpha, targets: Set(matching.map(\.name))))
  }
}
