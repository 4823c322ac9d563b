import Contributions
import Recipes
import Records
import Storage
import Training

/// What earlier runs in the same folder measured: `contributions.json` for "auto" tensors,
/// `learning_rate.json` for a calibrated rate. Either is used only if its key, a hash of model,
/// text and settings, is this run's.
struct EarlierMeasurements {
  static let contributions = "contributions.json"
  static let rate = "learning_rate.json"

  let key: String
  private let run: PreparedRun

  init(_ run: PreparedRun) {
    self.run = run
    var recipe = run.recipe.resolvedJSON.object ?? JSONObject()
    for key in ["model", "deltas", "output", "compare", "privacy"] { recipe[key] = nil }
    for (section, keys) in [
      // What these three decide is in the hashes of the texts.
      ("data", ["train", "validation", "train_on", "long_rows", "chat_template"]),
      ("run", ["sample", "save_every", "validate_every", "keep_cache", "tensorboard"]),
    ] {
      var object = recipe[section]?.object ?? JSONObject()
      for key in keys { object[key] = nil }
      recipe[section] = .object(object)
    }
    // So that what earlier versions measured still counts.
    recipe["method"] = recipe["method"].map(BudgetKey.former.spelled)
    let facts: JSONValue = [
      "model": .string(run.weights.identity),
      "text": .string(run.texts.training),
      "validation": run.texts.validation.map { .string($0) } ?? .null,
      "recipe": .object(recipe), "instruction_set": .string(run.kernels.instructionSet),
      "version": .string(Version.text),
    ]
    key = ContentHash.hexadecimal(of: facts)
  }

  /// The choice and rate that `contributions.json` holds; nil if it is of something else.
  func knownChoice() throws -> MethodDecision? {
    guard let record = AnalysisRecord(file: path(Self.contributions)), record.key == key,
      let rate = record.learningRate, rate > 0, rate.isFinite, let choice = try choice(record)
    else { return nil }
    var decision = MethodDecision(choice, learningRate: rate)
    decision.analysisSeconds = record.seconds
    decision.initialValidationLoss = record.initialValidationLoss
    decision.explanation = [
      "\"auto\": \(record.chosen) and its learning rate, as measured "
        + "before for this model, text and budget (\(Self.contributions))"
    ]
    return decision
  }

  private func choice(_ record: AnalysisRecord) throws -> MethodChoice? {
    if let method = record.method { return try run.choice(ofMethod: method) }
    let scheme = record.scheme.mapValues { min(1, $0) }
    let known = Set(run.weights.configuration.trainableParameters.map(\.name))
    guard !scheme.isEmpty, scheme.allSatisfy({ known.contains($0.key) && $0.value > 0 })
    else { return nil }
    return MethodChoice(run.adaptation(scheme))
  }

  /// The rate in `learning_rate.json`; nil if its key differs.
  func knownRate() -> (rate: Double, seconds: Double)? {
    guard let record = CalibrationRecord(file: path(Self.rate)), record.key == key,
      record.learningRate > 0, record.learningRate.isFinite
    else { return nil }
    return (record.learningRate, record.seconds)
  }

  func write(_ record: some JSONRecord, to name: String) throws {
    try Folder.create(run.recipe.output.absolute)
    try record.write(to: path(name))
  }

  private func path(_ name: String) -> String { "\(run.recipe.output.absolute)/\(name)" }
}
