import Adaptations
import Recipes
import Training

/// A recipe's method as an adaptation that the compiler can apply.
struct MethodChoice {
  var adaptation: any Adaptation
  /// How tensors were chosen where the recipe does not specify them.
  var explanation: String?

  init(_ adaptation: any Adaptation, explanation: String? = nil) {
    self.adaptation = adaptation
    self.explanation = explanation
  }

  /// Converts a recipe's method into an adaptation of its model, for all but "auto" tensors.
  ///
  /// - Throws: `TrainingError.budget` if nothing fits.
  init(_ run: PreparedRun) throws(TrainingError) {
    guard let method = run.recipe.method.method.settings(as: (any AdaptingMethod).self) else {
      preconditionFailure("no adaptation for method '\(run.recipe.method.method.type)'")
    }
    self = try method.choice(in: run)
  }
}

/// A method's settings that can be converted into an adaptation. Every method of a recipe conforms,
/// in a file in `Methods`.
protocol AdaptingMethod {
  /// The settings as an adaptation of the run's model.
  ///
  /// - Throws: `TrainingError.budget` if nothing fits.
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice
}
