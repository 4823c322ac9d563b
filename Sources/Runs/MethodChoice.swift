import Adaptations
import Contributions
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
}

/// A method's settings that can be converted into an adaptation. Every method of a recipe conforms,
/// in a file in `Methods`; one that leaves more open than the learning rate has decisions of its
/// own.
protocol AdaptingMethod {
  /// The settings as an adaptation of the run's model, without measuring anything.
  ///
  /// - Throws: `TrainingError.budget` if nothing fits.
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice

  /// The adaptation of a run that is resumed.
  ///
  /// - Parameter scheme: the shares by tensor that the snapshot says it trains; empty if none.
  func choice(
    in run: PreparedRun, resuming scheme: [String: Double]
  ) throws(TrainingError) -> MethodChoice

  /// What trains and at which rate, measured where neither the recipe nor an earlier run says it.
  ///
  /// - Parameter observe: called with the progress of probes.
  func decision(
    in run: PreparedRun, _ record: EarlierMeasurements,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws -> MethodDecision

  /// The decision without training anything, and what measuring would take.
  func unmeasuredDecision(
    in run: PreparedRun, _ record: EarlierMeasurements
  ) throws -> MethodDecision

  /// Measures what trains and writes the result for the next run; nothing is trained.
  ///
  /// - Throws: `RunsError.nothingToAnalyse` where the recipe fixes it.
  func analyse(
    in run: PreparedRun, observe: @escaping (AnalysisProgress) -> Void
  ) throws -> AnalysisResult
}

// Methods of which the recipe says all but perhaps the learning rate.
extension AdaptingMethod {
  func choice(
    in run: PreparedRun, resuming scheme: [String: Double]
  ) throws(TrainingError) -> MethodChoice {
    try choice(in: run)
  }

  func decision(
    in run: PreparedRun, _ record: EarlierMeasurements,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws -> MethodDecision {
    try MethodDecision(choice(in: run), in: run, record, observe: observe)
  }

  func unmeasuredDecision(
    in run: PreparedRun, _ record: EarlierMeasurements
  ) throws -> MethodDecision {
    MethodDecision(unmeasured: try choice(in: run), in: run, record)
  }

  func analyse(
    in run: PreparedRun, observe: @escaping (AnalysisProgress) -> Void
  ) throws -> AnalysisResult {
    throw RunsError.nothingToAnalyse(method: run.recipe.method.displayLabel)
  }
}

extension PreparedRun {
  /// The recipe's method.
  var method: any AdaptingMethod {
    guard let method = recipe.method.method.settings(as: (any AdaptingMethod).self) else {
      preconditionFailure("no adaptation for method '\(recipe.method.method.type)'")
    }
    return method
  }
}
