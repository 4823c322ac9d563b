import Adaptations
import Models
import Recipes
import Tensors
import Training

extension BiasRecipe: AdaptingMethod {
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    let configuration = run.weights.configuration
    let firstBlock = configuration.layers - (count ?? configuration.layers)
    return MethodChoice(
      BiasAdaptation(
        matrices: configuration.linearMaps(from: firstBlock, matching: targets),
        firstBlock: firstBlock))
  }
}

extension ModelConfiguration {
  /// Paths of the linear maps that targets name, in the blocks from the given one on.
  func linearMaps(from block: Int, matching targets: [LinearTarget]) -> Set<String> {
    let patterns = targets.compactMap(\.pattern)
    let matching = parameters.filter { parameter in
      guard parameter.isMatrix, let layer = parameter.path.layer, layer >= block else {
        return false
      }
      return patterns.contains { $0.matches(parameter.name) }
    }
    return Set(matching.map(\.name))
  }
}
