import Adaptations
import Recipes
import Training

extension LoRAFARecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    MethodChoice(factors.adaptation(of: run.weights.configuration, freezesA: true))
  }
}
