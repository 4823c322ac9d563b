import Adaptations
import Recipes
import Training

extension LastLayersRecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    MethodChoice(
      LastLayersAdaptation(
        count: count, layers: run.weights.configuration.layers, trainsHead: trainHead))
  }
}
