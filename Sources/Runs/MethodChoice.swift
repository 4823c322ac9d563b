import Adaptations
import Contributions
import Recipes
import Records
import Storage
import Training

/// A recipe's method as an adaptation that the compiler can apply.
struct MethodChoice {
  var adaptation: any Adaptation
  /// How tensors were chosen where the recipe does not specify them.
  var explanation: String?
  /// The method as a recipe spells it, where the run's recipe leaves it open.
  var recipe: JSONValue?

  init(_ adaptation: any Adaptation, explanation: String? = nil, recipe: JSONValue? = nil) {
    self.adaptation = adaptation
    self.explanation = explanation
    self.recipe = recipe
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
  /// - Parameter saved: what the snapshot says was decided; nil if nothing.
  func choice(in run: PreparedRun, resuming saved: RunDecision?) throws -> MethodChoice

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
  func choice(in run: PreparedRun, resuming saved: RunDecision?) throws -> MethodChoice {
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
  var method: any AdaptingMethod { Self.adapting(recipe.method.method) }

  /// The choice of a method that an earlier run chose and saved.
  ///
  /// - Throws: `RunsError.unknownMethod` for one that no recipe could name, or that does not fit the
  ///   model.
  func choice(ofMethod json: JSONValue) throws -> MethodChoice {
    let configuration = weights.configuration
    let names = configuration.parameters.map(\.name)
    guard let method = MethodRecipe(json),
      method.isValid(names: names, layers: configuration.layers)
    else { throw RunsError.unknownMethod(json.encoded()) }
    var choice = try Self.adapting(method).choice(in: self)
    choice.recipe = json
    return choice
  }

  /// A method's settings as something that can be converted into an adaptation.
  static func adapting(_ method: MethodRecipe) -> any AdaptingMethod {
    guard let adapting = method.settings(as: (any AdaptingMethod).self) else {
      preconditionFailure("no adaptation for method '\(method.type)'")
    }
    return adapting
  }
}
