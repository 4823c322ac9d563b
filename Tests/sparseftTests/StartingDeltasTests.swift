import Checkpoints
import Storage
import TestSupport
import Testing

/// Runs that start from deltas.
@Suite struct StartingDeltasTests {
  private static let sparse =
    #"{"type": "sparse", "tensors": {"layers[2].mlp.down": 0.5, "layers[1].mlp.up": 1}}"#
  private static let lora = #"{"type": "lora", "rank": 2}"#
  private static let start = #"deltas=["start.sfdelta"]"#

  /// A workshop with `start.sfdelta` of one method, and a recipe of another.
  private func shop(start: String, then method: String) throws -> Workshop {
    let shop = try Workshop(method: start)
    try shop.finetune("seed=5", "output=first")
    try shop.succeed(["export-delta", "first", "-o", "start.sfdelta"])
    try shop.writeRecipe(method: method)
    return shop
  }

  private func loss(_ shop: Workshop, _ model: String, _ delta: String...) throws -> Double {
    let outcome = try shop.succeed(
      ["eval", "--model", model, "--data", "text.txt", "--json", "--precision", "f32"]
        + delta.flatMap { ["--delta", $0] })
    return try #require(try outcome.jsonLines()[0]["loss"]?.double)
  }

  /// From a delta as from the checkpoint that has it merged, and the result is whole: it needs
  /// neither the deltas that it started from nor a merged checkpoint. The difference added to the
  /// starting delta is the same again.
  @Test(arguments: [(sparse, sparse), (lora, lora), (lora, sparse), (sparse, lora)])
  func aRunGoesOnFromADelta(_ methods: (String, String)) throws {
    let shop = try shop(start: methods.0, then: methods.1)
    try shop.succeed([
      "apply-delta", "--model", "tiny.sfckpt", "--delta", "start.sfdelta", "-o", "merged.sfckpt",
    ])
    try shop.finetune("run.precision=f32", "model=merged.sfckpt", "output=whole")
    let outcome = try shop.finetune("run.precision=f32", Self.start)
    #expect(outcome.error.contains("starting from "))
    #expect(try shop.losses() == shop.losses("whole/events.jsonl"))
    let expected = try loss(shop, "merged.sfckpt", "whole/best/trained.sfdelta")
    #expect(abs(try loss(shop, "tiny.sfckpt", "run/best/trained.sfdelta") - expected) < 1e-5)
    try shop.succeed(["export-delta", "run", "-o", "own.sfdelta", "--relative"])
    #expect(abs(try loss(shop, "tiny.sfckpt", "start.sfdelta", "own.sfdelta") - expected) < 1e-5)

    let own = try Delta.open(shop.folder["own.sfdelta"])
    let isSparse = methods.1 == Self.sparse
    if isSparse {
      #expect(own.entries.map(\.name).sorted() == ["layers[1].mlp.up", "layers[2].mlp.down"])
      #expect(own.entries.allSatisfy { $0.encoding == .difference })
    } else if methods.0 == Self.lora {
      #expect(own.entries.allSatisfy { $0.encoding == .lowRank && $0.tensors[0].rowCount == 2 })
      let whole = try Delta.open(shop.folder["run/best/trained.sfdelta"])
      #expect(whole.entries.allSatisfy { $0.tensors[0].rowCount == 4 })
    }
  }

  @Test func otherStartsAreOtherRuns() throws {
    let shop = try shop(start: Self.sparse, then: Self.sparse)
    try shop.finetune(Self.start)
    // A third run's delta, in the place of the first.
    try shop.finetune("seed=9", "output=third")
    let first = try shop.folder.read("start.sfdelta")
    let names = ["run/recipe.resolved.json", "run/events.jsonl", "run/last/state.sfstate"]
    let files = try names.map { try shop.folder.read($0) }
    try shop.succeed(["export-delta", "third", "-o", "start.sfdelta"])
    for start in [Self.start, "deltas=[]"] {
      let outcome = try shop.sparseft.run(
        ["finetune", "recipe.json", start, "--resume", "run.steps=5", "--accept-changes"])
      #expect(outcome.exitCode == 64, "\(start): \(outcome.error)")
      #expect(outcome.error.contains("starting deltas"), "\(outcome.error)")
      // A run that is refused leaves its folder as it was.
      for (name, before) in zip(names, files) { #expect(try shop.folder.read(name) == before) }
    }
    let changed = try shop.sparseft("export-delta", "run", "-o", "own.sfdelta", "--relative")
    #expect(changed.exitCode == 65 && changed.error.contains("start.sfdelta"))
    try shop.folder.write(first, to: "start.sfdelta")
    try shop.succeed(["export-delta", "run", "-o", "own.sfdelta", "--relative"])
  }

  @Test func wrongStartsAreRefused() throws {
    let shop = try shop(start: #"{"type": "ladder"}"#, then: Self.sparse)
    let outcome = try shop.sparseft.run(["finetune", "recipe.json", Self.start])
    #expect(outcome.exitCode == 65)
    #expect(outcome.error.contains("changes of the base's own tensors, from which training can"))
    let missing = try shop.sparseft.run(["finetune", "recipe.json", #"deltas=["none.sfdelta"]"#])
    #expect(missing.exitCode == 66 && missing.error.contains("none.sfdelta"))
  }
}
