import Checkpoints
import Storage
import Tensors

/// What a delta says of how it was trained.
struct RecordedRecipe {
  let delta: Delta

  private var data: JSONValue { delta.recipe["data"] ?? .null }
  private var run: JSONValue { delta.recipe["run"] ?? .null }

  /// Tokens of a window; nil where it is not recorded.
  var sequenceLength: Int? {
    data["sequence_length"]?.int.flatMap { (1...1_048_576).contains($0) ? $0 : nil }
  }

  /// The share of the text that was held out; 0 where other files were, or it is not recorded.
  var validation: Double {
    data["validation"]?.double.flatMap { $0 >= 0 && $0 < 1 ? $0 : nil } ?? 0
  }

  var appendEOS: Bool { data["append_eos"]?.bool ?? false }
  var trainOn: String? { data["train_on"]?.string }
  var chatTemplate: String? { data["chat_template"]?.string }
  var longRows: String? { data["long_rows"]?.string }

  /// Tokens that training has run over; nil where it is not recorded.
  var trainedTokens: Int? { delta.metrics["tokens"]?.int.flatMap { $0 > 0 ? $0 : nil } }

  /// The method's name in recipes.
  var methodName: String { delta.method["type"]?.string ?? "unknown" }

  /// The method with what was left open as the delta shows it.
  private var method: JSONValue {
    let isOpen =
      delta.method["type"]?.string == "auto"
      || (delta.method["type"]?.string == "sparse" && delta.method["tensors"]?.object == nil)
    guard isOpen else { return delta.method }
    if let factors = delta.entries.first(where: { $0.encoding == .lowRank }) {
      let rank = factors.tensors[0].rowCount
      return [
        "type": "lora", "rank": .int(rank), "alpha": .number(factors.scale * Double(rank)),
        "targets": .array(
          delta.entries.filter { $0.encoding == .lowRank }.map { .string($0.name) }),
      ]
    }
    var shares: [String: Int] = [:]
    for entry in delta.entries where entry.tensors.count == 1 {
      shares[entry.name, default: 0] += entry.rows.count
    }
    let rows = Dictionary(
      uniqueKeysWithValues: delta.baseConfiguration.trainableParameters.map {
        ($0.name, $0.shape[0])
      })
    return [
      "type": "sparse",
      "tensors": .object(
        JSONObject(
          shares.sorted { $0.key < $1.key }.compactMap { name, count in
            rows[name].map { (name, .number(min(1, Double(count) / Double($0)))) }
          })),
    ]
  }

  /// A recipe that trains the same way on another text.
  ///
  /// - Parameters:
  ///   - text: one file; documents are separated by `separator`.
  ///   - amount: the text's tokens as a multiple of the first text's. Where the recipe counts steps,
  ///     there are that many times as many, so that each text is seen as often.
  /// - Throws: `AuditError.notRecorded` for a delta without its recipe.
  func json(
    model: String, text: String, separator: String, output: String, seed: Int, amount: Double,
    threads: Int
  ) throws(AuditError) -> JSONValue {
    guard delta.recipe["optimizer"]?.object != nil, run.object != nil, sequenceLength != nil,
      delta.method["type"]?.string != nil
    else { throw .notRecorded(path: delta.path, what: "the recipe") }
    var recipe = JSONObject()
    recipe["model"] = .string(model)
    recipe["output"] = .string(output)
    recipe["seed"] = .int(seed)
    var data = self.data.object ?? JSONObject()
    data["train"] = .array([.string(text)])
    data["validation"] = .int(0)
    data["document_separator"] = .string(separator)
    for key in ["train_on", "chat_template", "long_rows"] { data[key] = nil }
    recipe["data"] = .object(data)
    recipe["method"] = method
    for key in ["analysis", "optimizer", "schedule", "privacy"]
    where delta.recipe[key]?.object != nil {
      recipe[key] = delta.recipe[key]
    }
    var run = self.run.object ?? JSONObject()
    if let steps = run["steps"]?.int, steps > 0 {
      run["steps"] = .int(max(1, Int((Double(min(steps, 1 << 40)) * amount).rounded())))
      run["epochs"] = nil
    } else {
      run["steps"] = nil
    }
    run["validate_every"] = .int(0)
    run["save_every"] = .int(0)
    run["early_stopping"] = nil
    run["threads"] = .int(threads)
    recipe["run"] = .object(run)
    return .object(recipe)
  }
}
