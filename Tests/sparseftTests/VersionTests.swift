import Checkpoints
import Storage
import TestSupport
import Testing

/// Commands on files that the version before wrote (`Tests/Golden/version-1`), and on checkpoints of
/// a version to come.
@Suite struct VersionTests {
  /// The folder with all its files, the run's where a run leaves them.
  private func shop() throws -> Workshop {
    let shop = try Workshop()
    let names = [
      "base.sfckpt": "base.sfckpt", "trained.sfdelta": "trained.sfdelta",
      "state.sfstate": "run/last/state.sfstate", "recipe.json": "recipe.json",
      "text.txt": "text.txt",
    ]
    for (name, target) in names {
      try shop.folder.write(
        TemporaryFolder.read(Workshop.goldenFolder("version-1/" + name)), to: target)
    }
    return shop
  }

  /// The losses that the version before had when it went on itself, with plain loops.
  @Test func aRunOfTheVersionBeforeGoesOn() throws {
    var shop = try shop()
    shop.sparseft.environment["SPARSEFT_ISA"] = "reference"
    try shop.finetune("--resume")
    let losses = try shop.losses()
    #expect(losses.keys.sorted() == [3, 4])
    for (step, expected) in [(3, 3.449186474084854), (4, 3.458399087190628)] {
      let loss = try #require(losses[step])
      #expect(abs(loss - expected) < 1e-6, "step \(step): \(loss)")
    }
  }

  @Test func aDeltaOfTheVersionBeforeIsAppliedAndScored() throws {
    let shop = try shop()
    try shop.succeed([
      "apply-delta", "--model", "base.sfckpt", "--delta", "trained.sfdelta", "-o", "merged.sfckpt",
    ])
    func loss(_ arguments: String...) throws -> Double? {
      let outcome = try shop.succeed(
        ["eval", "--json", "--sequence-length", "8", "--data", "text.txt", "--model"] + arguments)
      return try outcome.jsonLines().first?["loss"]?.double
    }
    let merged = try #require(try loss("merged.sfckpt"))
    #expect(try loss("base.sfckpt", "--delta", "trained.sfdelta") == merged)
    #expect(try loss("base.sfckpt") != merged)
    let facts = try shop.succeed(["inspect", "base.sfckpt", "--json"]).jsonLines()
    #expect(facts.first?["tokenizer"] == "sentencepiece")
  }

  @Test func anUnknownTokenizerIsRefusedWhereItIsNeeded() throws {
    let shop = try Workshop()
    _ = try TinyModel.checkpoint(
      at: shop.folder["tiny.sfckpt"], Workshop.configuration, tokenizer: [1, 2, 3], kind: "runes")
    try shop.succeed(["inspect", "tiny.sfckpt"])
    let attempts = [
      ["tokenize", "--model", "tiny.sfckpt", "--text", "a"],
      ["eval", "--model", "tiny.sfckpt", "--data", "text.txt"],
      ["generate", "--model", "tiny.sfckpt", "--prompt", "a"], ["finetune", "recipe.json"],
    ]
    for arguments in attempts {
      let outcome = try shop.sparseft.run(arguments)
      #expect(outcome.exitCode == 65)
      #expect(
        outcome.error.hasPrefix(
          "error: loading the tokenizer: found the kind 'runes', expected sentencepiece or bpe;"))
    }
  }
}
