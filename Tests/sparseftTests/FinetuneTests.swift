import Storage
import TestSupport
import Testing

/// `finetune` with every method: its exit code, its streams and the run's folder.
@Suite struct FinetuneTests {
  /// A method of the recipe, and the number of parameters it trains.
  struct Method: Sendable, CustomTestStringConvertible {
    var name: String
    var json: String
    var type: String
    /// By hand from the tiny model's shape; nil where the choice depends on costs.
    var trained: Int?

    var testDescription: String { name }
  }

  /// Parameters of a block: 2 gains of 32, query and output 32·32, key and value 16·32, gate, up and
  /// down 48·32.
  static let block = 2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32

  /// A quarter of 48 rows is rounded to 16, a whole slice of the kernels.
  static let methods = [
    Method(
      name: "full", json: #"{"type": "full"}"#, type: "full", trained: 384 * 32 + 3 * block + 32),
    Method(
      name: "sparse, named tensors and a share of rows",
      json: #"{"type": "sparse", "tensors": {"layers[1].mlp.up": 0.25, "layers[2].*.output": 1}}"#,
      type: "sparse", trained: 16 * 32 + 32 * 32),
    Method(name: "sparse auto", json: #"{"type": "sparse"}"#, type: "sparse"),
    Method(
      name: "sparse last",
      json: #"{"type": "sparse", "tensors": "last", "budget": {"step_flops": 0.7}}"#,
      type: "sparse"),
    Method(
      name: "sparse random",
      json: #"{"type": "sparse", "tensors": "random", "budget": {"memory_mb": 1000}}"#,
      type: "sparse"),
    Method(
      name: "last layers", json: #"{"type": "last_layers", "count": 2}"#, type: "last_layers",
      trained: 2 * block + 32),
    Method(name: "norms", json: #"{"type": "norms"}"#, type: "norms", trained: 7 * 32),
    Method(
      name: "lora", json: #"{"type": "lora", "rank": 4, "targets": "qv"}"#, type: "lora",
      trained: 3 * 4 * (32 + 32 + 32 + 16)),
  ]

  @Test(arguments: methods)
  func runsTheMethod(_ method: Method) throws {
    let shop = try Workshop(method: method.json)
    let outcome = try shop.finetune("run.validate_every=2", "run.save_every=2")
    #expect(outcome.output == "")
    #expect(outcome.error.contains("3/3 (100 %)"))
    #expect(outcome.error.contains("finished after 3 steps"))
    #expect(shop.leftovers == [])
    // What "auto" measured is kept for the next run of the recipe.
    let record = method.name == "sparse auto" ? ["run/contributions.json"] : []
    let files =
      ["run/best/trained.sfdelta"] + record + [
        "run/events.jsonl", "run/last/state.sfstate",
        "run/last/trained.sfdelta", "run/recipe.resolved.json", "run/report.html",
        "run/summary.json",
      ]
    #expect(shop.files.filter { $0.hasPrefix("run/") && !$0.hasPrefix("run/cache/") } == files)

    let events = try shop.jsonLines("run/events.jsonl")
    try Self.expectContract(events)
    #expect(events.first?["method"]?.string == method.type)
    let trained = try #require(events.first?["trainable_parameters"]?.int)
    if let expected = method.trained { #expect(trained == expected) }
    #expect(trained > 0 && trained <= 35_552)
    #expect(try shop.json("run/summary.json") == events.last)
    #expect(try shop.losses().keys.sorted() == [1, 2, 3])
    let first = try #require(events.last?["initial_validation_loss"]?.double)
    let best = try #require(events.last?["best_validation_loss"]?.double)
    #expect(best < first)
    #expect(try shop.json("run/recipe.resolved.json")["method"]?["type"]?.string == method.type)
  }

  @Test(arguments: ["adamw", "sgd"])
  func printsOnlyJSONWithTheFlag(_ optimizer: String) throws {
    let shop = try Workshop()
    let outcome = try shop.finetune(
      "--json", "optimizer.type=\(optimizer)", "run.accumulation=2", "run.validate_every=1")
    #expect(outcome.error == "")
    let events = try outcome.jsonLines()
    try Self.expectContract(events)
    #expect(try shop.jsonLines("run/events.jsonl") == events)
    #expect(events.last?["tokens"]?.int == 3 * 2 * 2 * 16)
  }

  @Test func theResolvedRecipeMeansTheSameRun() throws {
    let shop = try Workshop(method: #"{"type": "lora", "rank": 2}"#)
    try shop.finetune("data.shuffle=false", "optimizer.weight_decay=0.1")
    let losses = try shop.losses()
    try shop.succeed(["finetune", "run/recipe.resolved.json", "output=again"])
    // Overrides are relative to the recipe's folder, as all of its paths.
    #expect(try shop.losses("run/again/events.jsonl") == losses)
  }

  @Test func showsASampleBeforeAndAfter() throws {
    let shop = try Workshop()
    let outcome = try shop.finetune(
      "--json", "run.sample.prompt=the cat", "run.sample.max_tokens=5", "run.sample.temperature=0")
    let samples = try outcome.jsonLines().filter { $0["type"] == "sample" }
    #expect(samples.map { $0["prompt"]?.string } == ["the cat", "the cat"])
    #expect(samples.map { $0["step"]?.int } == [0, 3])
  }

  @Test func stopsEarlyWithoutProgress() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    let outcome = try shop.finetune(
      "--json", "run.steps=50", "run.validate_every=1", "run.early_stopping=2",
      "optimizer.learning_rate=1e-12", "optimizer.type=sgd")
    let done = try #require(try outcome.jsonLines().last)
    #expect(done["reason"] == "early_stopping")
    #expect(try #require(done["steps"]?.int) < 50)
  }

  @Test(arguments: ["bf16", "int8"])
  func trainsOnStoredPrecisions(_ type: String) throws {
    let shop = try Workshop(
      method: #"{"type": "last_layers", "count": 1}"#, elementType: type == "bf16" ? .bf16 : .int8)
    let outcome = try shop.finetune("--json")
    #expect(try outcome.jsonLines().first?["precision"]?.string?.hasPrefix(type) == true)
  }

  /// Every event has the keys that the contract names, and the events come in a sensible order.
  static func expectContract(_ events: [JSONValue]) throws {
    let types = events.compactMap { $0["type"]?.string }
    #expect(types.count == events.count)
    #expect(Array(types.prefix(2)) == ["start", "plan"])
    #expect(types.last == "done")
    for required in ["step", "validation", "snapshot"] { #expect(types.contains(required)) }
    for event in events {
      let type = try #require(event["type"]?.string)
      let missing = Contract.events[type, default: []].subtracting(event.keys)
      #expect(missing.isEmpty, "\(type) lacks \(missing.sorted())")
      if type == "plan" {
        let bytes = try #require(event["planned_bytes"])
        #expect(Contract.plannedBytes.isSubset(of: bytes.keys))
      }
      if type == "step" {
        #expect(event["phase_seconds"]?.keys == Contract.phases)
      }
    }
  }
}
