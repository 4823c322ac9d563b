import Checkpoints
import Storage
import TestSupport
import Testing

/// `merge-deltas`, `strip-delta` and `inspect --privacy` on what real runs trained.
@Suite struct MergeDeltasTests {
  private static let trained = "run/best/trained.sfdelta"

  /// Two runs' deltas, `a.sfdelta` and `b.sfdelta`, of other rows in part.
  private func shop() throws -> Workshop {
    let shop = try Workshop()
    for (name, tensors) in [
      ("a", #"{"layers[2].mlp.down": 0.5, "norm": 1}"#),
      ("b", #"{"layers[2].mlp.down": 1, "layers[1].mlp.up": 0.5}"#),
    ] {
      try shop.writeRecipe(method: #"{"type": "sparse", "tensors": \#(tensors), "label": "ann's"}"#)
      try shop.finetune("run.steps=1", "data.validation=0", "--overwrite")
      try shop.succeed(["export-delta", "run", "-o", "\(name).sfdelta"])
    }
    return shop
  }

  @Test func aSumIsAppliedAsItsDeltasAre() throws {
    let shop = try shop()
    let deltas = ["a.sfdelta", "b.sfdelta"]
    let refused = try shop.sparseft.run(["merge-deltas"] + deltas + ["-o", "sum.sfdelta"])
    #expect(refused.exitCode == 66 && refused.error.contains("--model"))
    #expect(!shop.files.contains("sum.sfdelta"))
    let merged = try shop.succeed(
      ["merge-deltas"] + deltas + ["--model", "tiny.sfckpt", "-o", "sum.sfdelta"])
    #expect(merged.error.hasPrefix("sum.sfdelta: ") && merged.output == "")
    let apply = ["apply-delta", "--model", "tiny.sfckpt", "-o"]
    try shop.succeed(apply + ["one.sfckpt", "--delta", "sum.sfdelta"])
    try shop.succeed(apply + ["two.sfckpt", "--delta", "a.sfdelta", "--delta", "b.sfdelta"])
    let (one, two) = (
      try Checkpoint.open(shop.folder["one.sfckpt"]), try Checkpoint.open(shop.folder["two.sfckpt"])
    )
    for (x, y) in zip(one.tensors, two.tensors) { #expect(x.data.elementsEqual(y.data)) }

    for (arguments, code, text) in [
      (["a.sfdelta", "a.sfdelta"], 65, "it is the same delta as"),
      (deltas + ["--weights", "1"], 64, "--weights takes a number for each delta"),
      (deltas + ["--weights", "1", "0"], 64, "--weights takes numbers from -100 to 100 but 0"),
      (["a.sfdelta", "none.sfdelta"], 66, "none.sfdelta"),
      (["a.sfdelta", "one.sfckpt"], 65, "expected"),
    ] as [([String], Int32, String)] {
      let outcome = try shop.sparseft.run(["merge-deltas"] + arguments + ["-o", "x.sfdelta"])
      #expect(outcome.exitCode == code && outcome.error.contains(text), "\(arguments): \(outcome)")
    }
    try shop.succeed(
      ["merge-deltas"] + deltas + ["--weights=-1,2", "--model", "tiny.sfckpt", "-o", "y.sfdelta"])
    let mean = ["--weights", "0.5", "0.5", "--model", "one.sfckpt"]
    let other = try shop.sparseft.run(["merge-deltas"] + deltas + mean + ["-o", "x.sfdelta"])
    #expect(other.exitCode == 65)
    #expect(!shop.files.contains("x.sfdelta"))
  }

  @Test func strippedDeltasSayNothingOfTheirTraining() throws {
    let shop = try shop()
    let before = try shop.succeed(["inspect", "--privacy", "a.sfdelta"]).output
    for text in ["recipe.optimizer.type", "method.tensors", "metrics.step", "origin"] {
      #expect(before.contains(text), "\(text)")
    }
    try shop.succeed(["strip-delta", "a.sfdelta", "-o", "s.sfdelta"])
    let json = try shop.succeed(["inspect", "--privacy", "s.sfdelta", "--json"]).jsonLines()[0]
    let names = try #require(json["members"]?.array).compactMap { $0["name"]?.string }
    #expect(names.contains("base.content_hash") && names.contains("entries[0]"))
    let said = ["recipe.", "method.", "metrics.", "origin"]
    #expect(!names.contains { name in said.contains { name.hasPrefix($0) } })
    #expect(try !shop.folder.holds("adamw", in: "s.sfdelta"))
    #expect(try shop.folder.holds("adamw", in: "a.sfdelta"))
    let checkpoint = try shop.sparseft.run(["inspect", "--privacy", "tiny.sfckpt"])
    #expect(checkpoint.exitCode == 65)
  }
}
