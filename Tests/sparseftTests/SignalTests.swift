import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Requests to stop by signals and by closed pipes: what was trained is saved, and the run goes on.
@Suite struct SignalTests {
  private static let arguments = [
    "finetune", "recipe.json", "--json", "run.steps=40", "run.validate_every=10",
  ]

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)])
  func everySignalSaves(_ signal: Int32, _ code: Int) throws {
    let shop = try Workshop()
    try shop.succeed(Self.arguments + ["output=whole"])
    // Whoever presses Ctrl-C again loses nothing.
    let stopped = try shop.sparseft.run(Self.arguments, signal: signal, times: 3) {
      $0.contains(#""step":12,"#)
    }
    #expect(stopped.exitCode == Int32(code))
    #expect(stopped.error.contains("stopping; what is done so far is being saved\n"))
    let step = try #require(stopped.jsonLines().last?["steps"]?.int)
    #expect(step >= 12)
    #expect(
      stopped.error.contains("saved at step \(step); go on with: sparseft finetune recipe.json"))
    try shop.succeed(Self.arguments + ["--resume"])
    #expect(try shop.losses() == shop.losses("whole/events.jsonl"))
  }

  /// A reader that goes, as in `sparseft … --json | head -1`.
  @Test func aClosedPipeSaves() throws {
    let shop = try Workshop()
    try shop.succeed(Self.arguments + ["output=whole"])
    let program = ProgramRunner.path
    let line = (Self.arguments + ["2>error"]).joined(separator: " ")
    let code = try shop.shell("{ \(program) \(line); echo $? >code; } | head -30 >/dev/null")
    #expect(code == 0)
    #expect(String(decoding: try shop.folder.read("code"), as: UTF8.self) == "74\n")
    let error = String(decoding: try shop.folder.read("error"), as: UTF8.self)
    #expect(error.contains("go on with: sparseft finetune"), "\(error)")
    #expect(error.contains("writing events to standard output: Broken pipe"), "\(error)")
    #expect(!error.contains("free some space"))
    try shop.succeed(Self.arguments + ["--resume"])
    #expect(try shop.losses() == shop.losses("whole/events.jsonl"))
  }

  /// A validation is stopped in its midst, and done when the run goes on.
  @Test func aValidationIsInterrupted() throws {
    let shop = try Workshop()
    try shop.folder.write(Workshop.text(sentences: 3000, seed: 9), to: "held-out.txt")
    let arguments = [
      "finetune", "recipe.json", "--json", "run.steps=4", "run.validate_every=2",
      #"data.validation=["held-out.txt"]"#,
    ]
    let whole = try shop.succeed(arguments + ["output=whole"])
    let stopped = try shop.sparseft.run(arguments) { $0.contains(#""step":2,"#) }
    #expect(stopped.exitCode == 130)
    let lines = try stopped.jsonLines()
    #expect(lines.last?["steps"] == 2)
    #expect(!lines.contains { $0["type"] == "validation" && $0["step"] == 2 })
    let resumed = try shop.succeed(arguments + ["--resume"])
    func validations(_ lines: [JSONValue]) -> [Double?] {
      lines.filter { $0["type"] == "validation" }.map { $0["loss"]?.double }
    }
    #expect(
      try validations(shop.jsonLines("run/events.jsonl")) == validations(whole.jsonLines()))
    #expect(
      try resumed.jsonLines().last?["best_validation_loss"]
        == whole.jsonLines().last?["best_validation_loss"])
  }

  /// Between two micro-batches of a step, which is taken anew.
  @Test func aStepIsInterrupted() throws {
    let shop = try Workshop()
    let arguments = Self.arguments + ["run.accumulation=64", "run.validate_every=0"]
    try shop.succeed(arguments + ["output=whole"])
    let stopped = try shop.sparseft.run(arguments) { $0.contains(#""step":3,"#) }
    #expect(stopped.exitCode == 130)
    try shop.succeed(arguments + ["--resume"])
    #expect(try shop.losses() == shop.losses("whole/events.jsonl"))
  }

  /// Before there is anything to save the process ends, and the folder is free.
  @Test func anAnalysisIsInterrupted() throws {
    let shop = try Workshop(method: #"{"type": "sparse", "budget": {"step_time": 0.8}}"#)
    let arguments = [
      "finetune", "recipe.json", "run.steps=60", "analysis.share=60",
      "optimizer.learning_rate=auto",
    ]
    let script =
      "\(ProgramRunner.path) "
      + arguments.map { "'\($0)'" }.joined(separator: " ")
      + " 2>error & while ! [ -e run/candidates ]; do sleep 0.01; done; kill -TERM $!; wait $!"
    #expect(try shop.shell(script) == 143)
    let error = String(decoding: try shop.folder.read("error"), as: UTF8.self)
    // One thing is said of it, at the signal and at the end.
    #expect(error.contains("\nstopping\n"), "\(error)")
    #expect(error.hasSuffix("stopped before the first step; nothing was trained yet\n"), "\(error)")
    #expect(!error.contains("saved"), "\(error)")
    #expect(!shop.files.contains { $0.hasPrefix("run/candidates") }, "\(shop.files)")
    try shop.succeed(arguments)
  }

  /// Before the first step is taken there is nothing to save, and nobody says that there is.
  @Test func theFirstValidationIsInterrupted() throws {
    let shop = try Workshop()
    try shop.folder.write(Workshop.text(sentences: 6000, seed: 9), to: "held-out.txt")
    let arguments = ["finetune", "recipe.json", "--json", #"data.validation=["held-out.txt"]"#]
    let stopped = try shop.sparseft.run(arguments) { $0.contains(#""type":"plan""#) }
    #expect(stopped.exitCode == 130)
    #expect(
      stopped.error.hasSuffix(
        "\nstopping\nstopped before the first step; nothing was trained yet\n"),
      "\(stopped.error)")
  }

  /// A signal for the parent alone ends the comparison's member too.
  @Test func aMemberEndsWithItsComparison() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    let arguments = [
      "compare", "recipe.json", "--json", "--seeds", "3", "run.steps=400",
      #"compare=[{"type": "full"}]"#,
    ]
    let outcome = try shop.sparseft.run(arguments, signal: SIGTERM, alone: true) { _ in true }
    #expect(outcome.exitCode == 143)
    // The pipe of standard output is closed by both of them now, or this would not have returned.
    #expect(try outcome.jsonLines().count < 6)
  }
}
