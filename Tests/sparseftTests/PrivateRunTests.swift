import Checkpoints
import Storage
import TestSupport
import Testing

/// Recipes with `privacy`.
@Suite struct PrivateRunTests {
  private static let privacy = ["privacy.clip=1", "privacy.noise=1", "privacy.delta=1e-5"]

  @Test func validationsAndTheDeltaSayWhatItCost() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    let run = try shop.succeed(["finetune", "recipe.json", "--json"] + Self.privacy)
    let events = try run.jsonLines().filter { $0["type"] == "validation" }
    let epsilons = events.compactMap { $0["epsilon"]?.double }
    #expect(epsilons.count == 2 && epsilons[0] == 0 && epsilons[1] > 0)
    #expect(events.allSatisfy { $0["delta"] == 1e-5 })
    let delta = try Delta.open(shop.folder["run/last/trained.sfdelta"])
    #expect(delta.metrics["epsilon"]?.double == epsilons[1])
    #expect(delta.recipe["privacy"]?["noise"]?.double == 1)
    let changed = try shop.sparseft.run(
      ["finetune", "recipe.json", "--resume", "--accept-changes", "run.steps=5"] + Self.privacy
        + ["privacy.noise=0.1"])
    #expect(changed.exitCode == 64 && changed.error.contains("its privacy is"), "\(changed.error)")
    let longer = try shop.sparseft.run(
      ["finetune", "recipe.json", "--resume", "--accept-changes", "run.steps=5"] + Self.privacy)
    #expect(longer.exitCode == 0, "\(longer.error)")
  }

  @Test(
    arguments: [
      ("optimizer.learning_rate=auto", "optimizer.learning_rate"), ("method.type=auto", "method"),
      (#"method={"type": "sparse", "tensors": {"head": 0.5}}"#, "method"),
      ("run.batch_size=1", "run.batch_size"), ("privacy.noise=-1", "privacy.noise"),
      ("privacy.delta=1", "privacy.delta"),
    ])
  func whatIsNotPrivateIsRefused(_ override: String, _ key: String) throws {
    let shop = try Workshop()
    let outcome = try shop.sparseft.run(
      ["plan", "recipe.json"] + Self.privacy + [override])
    #expect(outcome.exitCode == 64 && outcome.error.contains("  \(key)"), "\(outcome.error)")
  }
}
