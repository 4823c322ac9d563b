import Checkpoints
import Storage
import TestSupport
import Testing

/// A run that is stopped, and one that goes on.
@Suite struct ResumeTests {
  private static let steps = 40
  private static let settings = [
    "run.steps=\(steps)", "run.validate_every=10", "run.save_every=15",
  ]

  @Test(arguments: [#"{"type": "full"}"#, #"{"type": "lora", "rank": 2}"#])
  func aStoppedRunGoesOnAsIfItHadNotStopped(_ method: String) throws {
    let shop = try Workshop(method: method)
    let arguments = ["finetune", "recipe.json", "--json"] + Self.settings
    let whole = try shop.succeed(arguments + ["output=whole"])
    let losses = try shop.losses("whole/events.jsonl")
    #expect(losses.count == Self.steps)

    let stopped = try shop.sparseft.run(arguments) { $0.contains(#""step":3,"#) }
    #expect(stopped.exitCode == 130)
    #expect(stopped.signal == nil)
    #expect(stopped.error.contains("sparseft finetune recipe.json run.steps=\(Self.steps) "))
    let reached = try #require(try stopped.jsonLines().last)
    #expect(reached["reason"] == "interrupted")
    #expect(try #require(reached["steps"]?.int) < Self.steps)
    #expect(shop.leftovers == [])

    // last/ is a delta like any other.
    try shop.succeed([
      "eval", "--model", "tiny.sfckpt", "--delta", "run/last/trained.sfdelta", "--data",
      "text.txt", "--json",
    ])

    let resumed = try shop.succeed(arguments + ["--resume"])
    #expect(try shop.losses() == losses)
    for key in ["steps", "tokens", "initial_validation_loss", "best_validation_loss"] {
      #expect(try resumed.jsonLines().last?[key] == whole.jsonLines().last?[key], "\(key)")
    }
    let files = ["best/trained.sfdelta", "last/trained.sfdelta"]
    for file in files {
      let (a, b) = (
        try Delta.open(shop.folder["whole/" + file]), try Delta.open(shop.folder["run/" + file])
      )
      #expect(a.entries.count == b.entries.count)
      #expect(try tensorBytes(a) == tensorBytes(b), "\(file)")
    }
  }

  /// A run goes on with its own ways of computing products, whatever the machine remembers by then.
  @Test func productsStayAsTheyWere() throws {
    let shop = try Workshop()
    let memory = "memory/sparseft/products.json"
    let arguments = [
      "finetune", "recipe.json", "--json", "run.batch_size=600", "run.precision=f32",
      "run.steps=6",
    ]
    try shop.succeed(arguments + ["output=usual"])
    // Every product by the other back-end.
    let text = String(decoding: try shop.folder.read(memory), as: UTF8.self)
    let key = #""chosen": ""#
    let swapped = text.replacing(key + "tiles", with: key + "?")
      .replacing(key + "OpenBLAS", with: key + "tiles").replacing(key + "?", with: key + "OpenBLAS")
    try shop.folder.write(swapped, to: memory)
    try shop.succeed(arguments + ["output=whole"])
    let losses = try shop.losses("whole/events.jsonl")
    #expect(try shop.losses("usual/events.jsonl") != losses)

    let stopped = try shop.sparseft.run(arguments) { $0.contains(#""step":2,"#) }
    #expect(stopped.exitCode == 130)
    try shop.folder.write(text, to: memory)
    try shop.succeed(arguments + ["--resume"])
    #expect(try shop.losses() == losses)
  }

  @Test func aStoppedComparisonEnds() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    let outcome = try shop.sparseft.run([
      "compare", "recipe.json", "--json", "--seeds", "9", #"compare=[{"type": "full"}]"#,
    ]) { _ in true }
    #expect(outcome.exitCode == 130)
    let rows = try outcome.jsonLines()
    #expect(rows.count < 18)
    // What was done by then is kept, and marked.
    let stored = try shop.json("run/compare.json")
    #expect(stored["complete"] == false)
    #expect(stored["rows"]?.array == rows)
    #expect(shop.leftovers == [])
  }

  /// The curve that a comparison is made from has the steps before the interruption too.
  @Test func aResumedRunIsComparedWhole() throws {
    let shop = try Workshop()
    let arguments = ["finetune", "recipe.json", "--json"] + Self.settings
    let stopped = try shop.sparseft.run(arguments) { $0.contains(#""step":12,"#) }
    #expect(stopped.exitCode == 130)
    let norms = #"compare=[{"type": "norms"}]"#
    let lines = try shop.succeed(arguments + [norms, "--resume"]).jsonLines()
    let rows = lines.filter { $0["type"] == "comparison" }.compactMap { $0["row"] }
    #expect(rows.map { $0["curve"]?.array?.count } == [5, 5])
    let seconds = try shop.jsonLines("run/events.jsonl").compactMap { $0["step_seconds"]?.double }
    #expect(seconds.count == Self.steps)
    let trained = try #require(rows.first?["training_seconds"]?.double)
    #expect(abs(trained - seconds.reduce(0, +)) < 1e-9)
  }

  @Test func aFinishedRunHasNothingLeftToDo() throws {
    let shop = try Workshop()
    try shop.finetune()
    let again = try shop.finetune("--json", "--resume")
    #expect(try again.jsonLines().filter { $0["type"] == "step" } == [])
    #expect(try again.jsonLines().last?["steps"]?.int == 3)
  }

  @Test func aLongerRunGoesOnWhereThatIsMeant() throws {
    let shop = try Workshop()
    try shop.finetune()
    let refused = try shop.sparseft("finetune", "recipe.json", "--resume", "run.steps=5")
    #expect(refused.exitCode == 64)
    #expect(
      refused.error.hasSuffix(
        "error: can't resume from '\(shop.folder["run"])' as if nothing had changed:\n"
          + "  run.steps was 3, is 5\n"
          + "  restore that, or go on with what is there now: --resume --accept-changes\n"),
      "\(refused.error)")
    let more = try shop.finetune("--json", "--resume", "--accept-changes", "run.steps=5")
    let steps = try more.jsonLines().filter { $0["type"] == "step" }.map { $0["step"]?.int }
    #expect(steps == [4, 5])
  }

  @Test func nothingToResumeIsSaid() throws {
    let shop = try Workshop()
    let outcome = try shop.sparseft("finetune", "recipe.json", "--resume")
    #expect(outcome.exitCode == 66)
    #expect(
      outcome.error.contains(
        "error: --resume found no snapshot at '\(shop.folder["run/last/state.sfstate"])'; "
          + "start the run without it\n"))
  }

  @Test(arguments: [
    ("method.type=norms", "its method is"), ("run.batch_size=3", "run.batch_size was 2, is 3"),
    ("seed=2", "seed was 1, is 2"), ("data.shuffle=false", "data.shuffle was true, is false"),
    ("run.precision=f32", #"run.precision was "auto", is "f32""#),
    ("optimizer.state=bf16", #"optimizer.state was "auto", is "bf16""#),
    ("optimizer.learning_rate=2e-2", "optimizer.learning_rate was 0.01, is 0.02"),
    ("optimizer.clip_norm=2", "optimizer.clip_norm was 1.0, is 2.0"),
    ("schedule.type=linear", #"schedule.type was "cosine", is "linear""#),
    ("data.append_eos=true", "the training text (data.train) is another one"),
    ("data.validation=0.2", "the held-out text (data.validation) is another one"),
  ])
  func anotherRunsStateIsRefused(_ override: String, _ text: String) throws {
    let shop = try Workshop()
    try shop.finetune()
    let before = try shop.folder.read("run/last/state.sfstate")
    let outcome = try shop.sparseft("finetune", "recipe.json", "--resume", override)
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("can't resume from"))
    #expect(outcome.error.contains(text))
    #expect(try shop.folder.read("run/last/state.sfstate") == before)
  }

  private func tensorBytes(_ delta: Delta) throws -> [[UInt8]] {
    delta.entries.flatMap { $0.tensors.map { Array($0.data) } }
  }
}
