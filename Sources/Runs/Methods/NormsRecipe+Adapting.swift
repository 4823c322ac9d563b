import Adaptations
import Recipes
import Training

extension NormsRecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    MethodChoice(NormsAdaptation())
  }
}
