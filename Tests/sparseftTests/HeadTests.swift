import Checkpoints
import Storage
import Tensors
import TestSupport
import Testing

/// Training the head of a tied model: from the recipe to a merged, untied checkpoint.
@Suite struct HeadTests {
  static let whole = #"{"type": "sparse", "tensors": {"head": 1, "layers[1-2].mlp.down": 1}}"#

  static let frequent = #"{"type": "sparse", "tensors": {"head": 0.3, "layers[2].mlp.down": 1}}"#

  @Test(arguments: [whole, frequent], [ElementType.f32, .bf16, .int8])
  func everyWayToUseTheHeadAgrees(_ method: String, _ type: ElementType) throws {
    let shop = try Workshop(method: method, elementType: type)
    try shop.folder.write(Workshop.text(sentences: 20, seed: 8), to: "held.txt")
    // So that `eval` computes with the bits of the run.
    let run = try shop.finetune(
      "--json", "data.validation=[\"held.txt\"]", "run.precision=f32")
    let done = try #require(try run.jsonLines().last)
    let first = try #require(done["initial_validation_loss"]?.double)
    let last = try #require(done["final_validation_loss"]?.double)
    #expect(last < first)

    try shop.succeed(["export-delta", "run", "-o", "d.sfdelta"])
    try shop.succeed([
      "apply-delta", "--model", "tiny.sfckpt", "--delta", "d.sfdelta", "-o", "m.sfckpt",
    ])
    #expect(abs(try loss(shop, ["--model", "tiny.sfckpt", "--delta", "d.sfdelta"]) - last) < 1e-5)
    #expect(abs(try loss(shop, ["--model", "m.sfckpt"]) - last) < 1e-5)
    #expect(abs(try loss(shop, ["--model", "tiny.sfckpt"]) - first) < 1e-5)
    func text(_ model: [String]) throws -> String {
      let fixed = ["--prompt", "the cat", "--max-tokens", "12", "--temperature", "0"]
      return try shop.succeed(["generate"] + model + fixed).output
    }
    let merged = try text(["--model", "m.sfckpt"])
    #expect(try text(["--model", "tiny.sfckpt", "--delta", "d.sfdelta"]) == merged)

    let base = try Checkpoint.open(shop.folder["tiny.sfckpt"])
    let model = try Checkpoint.open(shop.folder["m.sfckpt"])
    #expect(!model.configuration.tiedHead)
    let table = try #require(base.tensor("embedding"))
    #expect(model.tensor("embedding")?.data.elementsEqual(table.data) == true)
    let shown = try shop.succeed(["inspect", "d.sfdelta"])
    let lines = shown.output.split(separator: "\n").filter { $0.hasPrefix("head") }
    #expect(lines.count == 1)
    let rows = method == Self.whole ? "[384, 32]" : "[112, 32]"
    #expect(lines.first?.contains(rows) == true, "\(lines)")
  }

  /// A share of the head trains the most frequent pieces of the training text, and the delta holds
  /// their rows.
  @Test func aShareTrainsFrequentPieces() throws {
    let shop = try Workshop(method: #"{"type": "sparse", "tensors": {"head": 0.05}}"#)
    let events = try shop.finetune("--json", "data.validation=0").jsonLines()
    #expect(events.first?["trainable_parameters"]?.int == 16 * 32)  // 19 rows, a multiple of 16
    let delta = try Delta.open(shop.folder["run/best/trained.sfdelta"])
    #expect(delta.entries.allSatisfy { $0.name == "head" })
    #expect(delta.storedParameters == 16 * 32)
    let text = try shop.succeed([
      "tokenize", "--model", "tiny.sfckpt", "--file", "text.txt", "--json",
    ])
    let ids = try #require(try text.jsonLines().first?["ids"]?.array).compactMap(\.int)
    let counts = Dictionary(grouping: ids, by: \.self).mapValues(\.count)
    let frequent = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(16).map(\.key)
    #expect(delta.entries.flatMap { Array($0.rows) } == frequent.sorted())
  }

  /// `*` stands for the checkpoint's tensors, so a tied model stays tied.
  @Test func aStarDoesNotUntie() throws {
    let shop = try Workshop(method: #"{"type": "sparse", "tensors": {"*": 1}}"#)
    let events = try shop.finetune("--json").jsonLines()
    #expect(events.first?["trainable_parameters"]?.int == 35_552)
    let delta = try Delta.open(shop.folder["run/best/trained.sfdelta"])
    #expect(!delta.entries.contains { $0.name == "head" })
    try shop.writeRecipe(method: #"{"type": "sparse", "tensors": {"*head*": 1}}"#)
    let outcome = try shop.sparseft("finetune", "recipe.json")
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("method.tensors '*head*': matches no tensor; "))
  }

  /// Embedding and head trained apart count as two tensors.
  @Test func bothTablesCanTrain() throws {
    let shop = try Workshop(
      method: #"{"type": "sparse", "tensors": {"head": 1, "embedding": 1}}"#)
    let events = try shop.finetune("--json").jsonLines()
    #expect(events.first?["trainable_parameters"]?.int == 2 * 384 * 32)
    #expect(events.first?["total_parameters"]?.int == 35_552 + 384 * 32)
    let last = try #require(events.last?["final_validation_loss"]?.double)
    let delta = "run/last/trained.sfdelta"
    #expect(try loss(shop, ["--model", "tiny.sfckpt", "--delta", delta], of: "text.txt") > 0)
    #expect(last > 0)
  }

  private func loss(
    _ shop: Workshop, _ model: [String], of text: String = "held.txt"
  ) throws -> Double {
    let outcome = try shop.succeed(
      ["eval"] + model + [
        "--data", text, "--sequence-length", "16", "--precision", "f32", "--json",
      ])
    return try #require(try outcome.jsonLines().first?["loss"]?.double)
  }
}
