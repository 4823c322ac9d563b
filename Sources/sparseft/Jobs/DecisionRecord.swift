import Contributions
import Recipes
import Storage
import Training

/// What earlier runs in the same folder measured: `contributions.json` for "auto" tensors,
/// `learning_rate.json` for a calibrated rate. Either counts only for the same model, text and
/// settings, which its key stands for.
struct DecisionRecord {
  static let contributions = "contributions.json"
  static let rate = "learning_rate.json"

  let key: String
  private let run: PreparedRun

  init(_ run: PreparedRun) {
    self.run = run
    var recipe = run.recipe.resolvedJSON.object ?? JSONObject()
    for key in ["model", "output", "compare"] { recipe[key] = nil }
    for (section, keys) in [
      ("data", ["train", "validation"]), ("run", ["sample", "save_every", "validate_every"]),
    ] {
      var object = recipe[section]?.object ?? JSONObject()
      for key in keys { object[key] = nil }
      recipe[section] = .object(object)
    }
    let facts: JSONValue = [
      "model": .string(run.weights.checkpoint.contentHash),
      "text": .string(run.corpus.train.contentHash()),
      "validation": run.corpus.validation.map { .string($0.contentHash()) } ?? .null,
      "recipe": .object(recipe), "instruction_set": .string(run.kernels.instructionSet),
      "version": .string(Version.text),
    ]
    key = ContentHash.hexadecimal(ContentHash.digest(Array(facts.encoded(sorted: true).utf8)))
  }

  /// The scheme and rate that `contributions.json` holds; nil if it is of something else.
  func knownScheme() -> MethodDecision? {
    guard let json = read(Self.contributions), let scheme = json["scheme"]?.object?.shares,
      let rate = json["learning_rate"]?.double
    else { return nil }
    let known = Set(run.weights.configuration.trainableParameters.map(\.name))
    guard !scheme.isEmpty, scheme.allSatisfy({ known.contains($0.key) && $0.value > 0 })
    else { return nil }
    var decision = MethodDecision(adaptation: run.adaptation(scheme), learningRate: rate)
    decision.analysisSeconds = json["seconds"]?.double ?? 0
    decision.initialValidationLoss = json["initial_validation_loss"]?.double
    decision.explanation = [
      "tensors \"auto\": \(json["chosen"]?.string ?? "a scheme") and its learning rate, as measured "
        + "before for this model, text and budget (\(Self.contributions))"
    ]
    return decision
  }

  /// The rate that `learning_rate.json` holds; nil if it is of something else.
  func knownRate() -> (rate: Double, seconds: Double)? {
    guard let json = read(Self.rate), let rate = json["learning_rate"]?.double, rate > 0 else {
      return nil
    }
    return (rate, json["seconds"]?.double ?? 0)
  }

  func write(_ json: JSONValue, to name: String) throws {
    try Folder.create(run.recipe.output.absolute)
    try AtomicFile.write(
      Array((json.encoded(.pretty) + "\n").utf8), to: "\(run.recipe.output.absolute)/\(name)")
  }

  /// A record of this very decision. One that can't be read is made anew, as if it were missing.
  private func read(_ name: String) -> JSONValue? {
    let path = "\(run.recipe.output.absolute)/\(name)"
    guard let file = try? MappedFile(path: path),
      let json = try? JSONValue.decode(Array(file.bytes), source: path),
      json["key"]?.string == key
    else { return nil }
    return json
  }
}

extension JSONObject {
  /// Shares of at most 1 by tensor.
  var shares: [String: Double] {
    Dictionary(
      members.compactMap { member in member.value.double.map { (member.key, min(1, $0)) } },
      uniquingKeysWith: { first, _ in first })
  }
}
