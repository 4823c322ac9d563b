import Adaptations
import Recipes
import Training

extension LadderRecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    let layers = run.weights.configuration.layers
    return MethodChoice(
      LadderAdaptation(width: width, blocks: layers - (count ?? layers)..<layers))
  }
}
