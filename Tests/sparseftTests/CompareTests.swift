import Checkpoints
import Storage
import TestSupport
import Testing

/// `compare`, and `finetune` with baselines.
@Suite struct CompareTests {
  private static let baselines =
    #"compare=[{"type": "lora", "rank": 2}, {"type": "norms", "label": "gains only"}]"#

  @Test func comparePrintsATable() throws {
    let shop = try Workshop(method: #"{"type": "last_layers", "count": 1}"#)
    let outcome = try shop.succeed(["compare", "recipe.json", Self.baselines])
    let lines = outcome.lines
    #expect(
      lines.first?.split(separator: "  ", omittingEmptySubsequences: true).map { words($0) } == [
        "method", "trained", "held-out loss", "tokens/s", "planned", "real peak", "delta",
        "analysis", "training time", "loss at equal time", "time to lora r2's loss",
      ])
    let labels = ["last layer", "lora r2", "gains only"]
    #expect(
      lines.dropFirst(2).prefix(3).map { row in labels.first { row.hasPrefix($0) } } == labels)
    #expect(outcome.error.contains("gains only: trains 224 parameters"))
    #expect(outcome.error.contains("[1/3] last layer, seed 1: held-out loss "))
    #expect(outcome.error.contains("; about "))
    #expect(
      lines.last?.contains("one seed: differences under about 0.02 nats mean nothing") == true)
  }

  @Test func compareAsJSONHasTheKeysOfTheContract() throws {
    let shop = try Workshop()
    let outcome = try shop.succeed([
      "compare", "recipe.json", "--json", "--seeds", "2", #"compare=[{"type": "norms"}]"#,
    ])
    let lines = try outcome.jsonLines()
    let rows = lines.filter { $0["type"] == nil }
    for row in rows { #expect(Contract.comparison.isSubset(of: row.keys)) }
    #expect(rows.map { $0["label"]?.string } == ["full", "norms", "full", "norms"])
    #expect(rows.map { $0["seed"]?.int } == [1, 1, 2, 2])
    #expect(rows.map { $0["trainable_parameters"]?.int } == [35_552, 224, 35_552, 224])
    // The same held-out text for all, scored before training: the base's loss.
    let initial = Set(rows.map { $0["initial_validation_loss"]?.double })
    #expect(initial.count == 1)
    #expect(rows[0]["final_validation_loss"] != rows[2]["final_validation_loss"])
    try expectCurves(rows)
    try expectSummaries(Array(lines.dropFirst(4)))
    let stored = try shop.json("run/compare.json")
    #expect(stored["complete"] == true)
    #expect(stored["rows"]?.array == rows)
    #expect(stored["summaries"]?.array == Array(lines[4...5]))
    #expect(stored["verdict"] == lines.last)
    #expect(shop.leftovers == [])
  }

  /// From the base's loss at no time to the final loss at the training time; deltas have a size.
  private func expectCurves(_ rows: [JSONValue]) throws {
    for row in rows {
      let curve = try #require(row["curve"]?.array)
      #expect(curve.count == 2)
      #expect(curve[0] == [.number(0), row["initial_validation_loss"] ?? .null])
      #expect(curve[1][1] == row["final_validation_loss"])
      let trained = try #require(row["training_seconds"]?.double)
      let end = try #require(curve[1][0]?.double)
      #expect(trained > 0 && abs(end - trained) < 1e-9)
      #expect(try trained < #require(row["seconds"]?.double))
      #expect(row["analysis_seconds"]?.double == 0)
      #expect(row["learning_rate"]?.double == 0.01)
      #expect(try #require(row["delta_bytes"]?.int) > 224 * 4)
    }
  }

  /// A summary of each method, then the verdict.
  private func expectSummaries(_ lines: [JSONValue]) throws {
    #expect(lines.map { $0["type"]?.string } == ["summary", "summary", "verdict"])
    for summary in lines.prefix(2) {
      #expect(Contract.summary.isSubset(of: summary.keys))
      #expect(summary["seeds"] == 2)
      let loss = try #require(summary["final_validation_loss"])
      let (low, high) = (loss["low"]?.double, loss["high"]?.double)
      #expect(try #require(low) < #require(high))
      #expect(summary["seconds_to_reference_loss"]?["of"] == 2)
    }
    #expect(lines[1]["label"] == "norms")
    #expect(lines[1]["time_ratio"]?["mean"]?.double == 1)
    #expect(lines[2]["text"]?.string?.contains("over 2 seeds") == true)
    #expect(lines[2]["reference"] == "norms")
  }

  @Test func aRecipeWithoutBaselinesGetsTheDefaultField() throws {
    let shop = try Workshop(method: #"{"type": "sparse", "budget": {"step_flops": 0.7}}"#)
    let outcome = try shop.succeed([
      "compare", "recipe.json", "--json", "optimizer.learning_rate=0.02",
    ])
    let rows = try outcome.jsonLines().filter { $0["type"] == nil }
    let labels = [
      "sparse auto", "lora r8", "lora r8 qv", "full", "sparse last", "sparse random", "norms",
    ]
    #expect(rows.map { $0["label"]?.string } == labels)
    // Baselines run at rates of their own, whatever the recipe fixes: the rule's limit for whole
    // tensors, for factors or for vectors, where it binds.
    let rates = rows.compactMap { $0["learning_rate"]?.double }
    #expect(rates.count == labels.count && rates[0] == 0.02)
    #expect(!rates.dropFirst().contains(0.02) && Set(rates.dropFirst()).count > 1)
    #expect(try outcome.jsonLines().last?["reference"] == "lora r8")
  }

  /// Where the head is nearly all of a model, its forward pass and input gradient alone take more
  /// than 60 % of a full step, so that no sparse choice is left.
  @Test func aDefaultBaselineThatDoesNotFitIsLeftOut() throws {
    let shop = try Workshop()
    try RandomInitialisation.write(
      configuration: TinyModel.configuration(layers: 1, vocabularySize: 4096),
      tokenizer: Workshop.tokenizer(), seed: 3, elementType: .f32,
      output: shop.folder["tiny.sfckpt"])
    let outcome = try shop.succeed(["compare", "recipe.json", "--json"])
    let labels = try outcome.jsonLines().filter { $0["type"] == nil }.map { $0["label"]?.string }
    #expect(labels == ["full", "lora r8", "lora r8 qv", "norms"])
    #expect(outcome.error.contains("sparse random is left out: "))
    let left = try #require(try shop.json("run/compare.json")["left_out"]?[1])
    #expect(left["label"] == "sparse random")
    #expect(left["reason"]?.string?.contains("nothing fits method.budget") == true)
  }

  @Test func finetuneRunsTheBaselinesOfItsRecipe() throws {
    let shop = try Workshop()
    let alone = try shop.succeed([
      "finetune", "recipe.json", "method.type=norms", "output=alone", "--json",
    ])
    let outcome = try shop.finetune("--json", #"compare=[{"type": "norms"}]"#)
    let rows = try outcome.jsonLines().filter { $0["type"] == "comparison" }.compactMap {
      $0["row"]
    }
    #expect(rows.map { $0["label"]?.string } == ["full", "norms"])
    for row in rows { #expect(Contract.comparison.isSubset(of: row.keys)) }
    // A baseline sees the batches that it would see in a run of its own.
    #expect(
      try rows.last?["final_validation_loss"] == alone.jsonLines().last?["final_validation_loss"])
    let table = try shop.finetune(#"compare=[{"type": "norms"}]"#)
    #expect(table.output.contains("held-out loss"))
    #expect(table.output.contains("time to norms's loss"))
    let closing = try outcome.jsonLines().suffix(3)
    #expect(closing.map { $0["type"]?.string } == ["summary", "summary", "verdict"])
    #expect(try shop.json("run/compare.json")["complete"] == true)
  }

  @Test func aFailingBaselineIsNamed() throws {
    let shop = try Workshop()
    let outcome = try shop.sparseft(
      "compare", "recipe.json",
      #"compare=[{"type": "sparse", "tensors": "last", "budget": {"memory_mb": 1}}]"#)
    #expect(outcome.exitCode == 64)
    #expect(
      outcome.error.contains(
        "error: the run of 'sparse last' ended with exit code 64: error: nothing fits method.budget"
      ))
    let stored = try shop.json("run/compare.json")
    #expect(stored["complete"] == false)
    #expect(stored["rows"]?.array?.map { $0["label"] } == ["full"])
    #expect(stored["verdict"] == .null)
  }

  @Test func seedsHaveAnEnd() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    let last = "seed=\(Int.max)"
    let outcome = try shop.sparseft("compare", "recipe.json", "--seeds", "2", last)
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("leaves no room for 2 seeds"))
  }

  /// A table's cell without the spaces around it.
  private func words(_ cell: Substring) -> String {
    cell.split(separator: " ").joined(separator: " ")
  }
}
