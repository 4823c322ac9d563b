import Storage
import TestSupport
import Testing

/// `compare` and `plan`.
@Suite struct CompareAndPlanTests {
  private static let baselines =
    #"compare=[{"type": "lora", "rank": 2}, {"type": "norms", "label": "gains only"}]"#

  @Test func comparePrintsATable() throws {
    let shop = try Workshop(method: #"{"type": "last_layers", "count": 1}"#)
    let outcome = try shop.succeed(["compare", "recipe.json", Self.baselines])
    let lines = outcome.lines
    #expect(
      lines.first?.split(separator: "  ", omittingEmptySubsequences: true).map { words($0) } == [
        "method", "trained", "held-out loss", "tokens/s", "planned", "real peak", "time",
      ])
    let labels = ["last layer", "lora r2", "gains only"]
    #expect(
      lines.dropFirst(2).prefix(3).map { row in labels.first { row.hasPrefix($0) } } == labels)
    #expect(outcome.error.contains("gains only: trains 224 parameters"))
  }

  @Test func compareAsJSONHasTheKeysOfTheContract() throws {
    let shop = try Workshop()
    let outcome = try shop.succeed([
      "compare", "recipe.json", "--json", "--seeds", "2", #"compare=[{"type": "norms"}]"#,
    ])
    let rows = try outcome.jsonLines()
    for row in rows { #expect(Contract.comparison.isSubset(of: row.keys)) }
    #expect(rows.map { $0["label"]?.string } == ["full", "norms", "full", "norms"])
    #expect(rows.map { $0["seed"]?.int } == [1, 1, 2, 2])
    #expect(rows.map { $0["trainable_parameters"]?.int } == [35_552, 224, 35_552, 224])
    // The same held-out text for all, scored before training: the base's loss.
    let initial = Set(rows.map { $0["initial_validation_loss"]?.double })
    #expect(initial.count == 1)
    #expect(rows[0]["final_validation_loss"] != rows[2]["final_validation_loss"])
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
  }

  @Test func planSaysWhatARunWillTake() throws {
    let shop = try Workshop()
    let outcome = try shop.succeed(["plan", "recipe.json"])
    #expect(outcome.output.contains("full: trains 35.6 k of 35.6 k parameters"))
    #expect(outcome.output.contains("memory at the peak: "))
    #expect(outcome.output.contains("100 % of full fine-tuning's"))
    #expect(!shop.files.contains("run/events.jsonl"))
  }

  @Test func planAsJSONAgreesWithTheRun() throws {
    let shop = try Workshop(method: #"{"type": "sparse", "tensors": {"layers[2].mlp.*": 1}}"#)
    let outcome = try shop.succeed(["plan", "recipe.json", "--json"])
    let plan = try #require(try outcome.jsonLines().first)
    #expect(try outcome.jsonLines().count == 1)
    #expect(Contract.events["plan"]?.isSubset(of: plan.keys) == true)
    let bytes = try #require(plan["planned_bytes"])
    #expect(Contract.plannedBytes.isSubset(of: bytes.keys))
    let parts = ["weights", "activations", "gradients", "optimizer", "workspace"]
    #expect(parts.compactMap { bytes[$0]?.int }.reduce(0, +) == bytes["total"]?.int)
    #expect(plan["trainable_parameters"]?.int == 3 * 48 * 32)
    let share = try #require(plan["flops_per_token"]?.double)
    #expect(try share < #require(plan["full_flops_per_token"]?.double))

    let run = try shop.finetune("--json").jsonLines()
    let event = try #require(run.first { $0["type"] == "plan" })
    for key in ["arena", "weights", "activations", "gradients", "optimizer"] {
      #expect(event["planned_bytes"]?[key] == bytes[key], "\(key)")
    }
    #expect(event["flops_per_token"] == plan["flops_per_token"])
  }

  @Test func planPrintsTheStagesOfTheCompiler() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    let outcome = try shop.succeed(["plan", "recipe.json", "--stages"])
    let stages = outcome.lines.filter { $0.hasPrefix("== ") }
    #expect(stages.count >= 4)
    #expect(outcome.output.contains("layers[2].attention_norm"))
    #expect(try shop.succeed(["plan", "recipe.json", "--stages"]).output == outcome.output)
  }

  /// A table's cell without the spaces around it.
  private func words(_ cell: Substring) -> String {
    cell.split(separator: " ").joined(separator: " ")
  }
}
