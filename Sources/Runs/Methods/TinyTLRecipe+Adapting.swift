import Adaptations
import Recipes
import Training

extension TinyTLRecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    let configuration = run.weights.configuration
    let firstBlock = configuration.layers - (biases.count ?? configuration.layers)
    return MethodChoice(
      TinyTLAdaptation(
        units: units,
        matrices: configuration.linearMaps(from: firstBlock, matching: biases.targets),
        blocks: firstBlock..<configuration.layers))
  }
}
