import Adaptations
import Recipes
import Training

extension FullRecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    MethodChoice(FullAdaptation())
  }
}
