import Adaptations
import Compilation
import Models
import Storage
import Tensors
import Training

/// The activations that a run's step keeps, beside those of other methods on the same batch.
public struct ActivationComparison: Sendable {
  /// The activations of one method.
  public struct Entry: Sendable {
    public let label: String
    public let kept: ActivationAccount
  }

  /// The run's own first.
  public let entries: [Entry]

  /// Compiles the other methods' steps.
  ///
  /// - Throws: `TrainingError` if one does not fit the model, which would be a bug.
  init(_ run: PlannedRun) throws(TrainingError) {
    let configuration = run.prepared.weights.configuration
    let cut = run.step.lowestTrainedBlock ?? 0
    let upper = configuration.layers - cut
    let maps = configuration.linearMaps(
      from: cut, matching: LinearKind.allCases.map { .kind($0) })
    var entries = [Entry(label: run.recipe.method.displayLabel, kept: run.step.training.kept)]
    func add(_ label: String, _ adaptation: some Adaptation) throws(TrainingError) {
      let step = try run.prepared.compiler.compile(adaptation)
      entries.append(Entry(label: label, kept: step.training.kept))
    }
    let place = cut == 0 ? "" : " in the same blocks"
    if !maps.isEmpty {
      try add("lora r8" + place, LoRAAdaptation(rank: 8, alpha: 16, targets: maps))
    }
    if cut > 0, upper > 0 {
      try add(
        "last \(upper) layers", LastLayersAdaptation(count: upper, layers: configuration.layers))
    }
    try add("full", FullAdaptation())
    self.entries = entries
  }

  /// As `plan --json` prints it: bytes.
  var json: JSONValue {
    .array(
      entries.map { entry in
        var object: JSONObject = ["method": .string(entry.label)]
        for part in ActivationAccount.Part.allCases {
          object[part.rawValue] = .int(entry.kept[part])
        }
        object["total"] = .int(entry.kept.total)
        return .object(object)
      })
  }
}
