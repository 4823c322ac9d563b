import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Every call by which a run writes its files fails once, or is the process's last: a whole snapshot
/// is there, and the run goes on to the same losses.
@Suite struct FaultTests {
  private static let arguments = [
    "finetune", "recipe.json", "run.steps=4", "run.save_every=2", "run.validate_every=2",
    "schedule.type=constant",
  ]
  /// Between the calls that are tried here.
  private static let stride = Workshop.triesAllFaults ? 1 : 13

  private func run(
    _ shop: Workshop, _ library: String, call: Int, kind: String
  ) throws -> (outcome: Outcome, calls: Int) {
    var runner = shop.sparseft
    runner.environment = [
      "LD_PRELOAD": library, "FAULT_FOLDER": shop.folder["run"], "FAULT_CALL": "\(call)",
      "FAULT_KIND": kind, "FAULT_COUNT": shop.folder["count"],
    ]
    let outcome = try runner.run(Self.arguments)
    let count = (try? shop.folder.read("count")).map { String(decoding: $0, as: UTF8.self) }
    return (outcome, Int(count?.dropLast() ?? "") ?? 0)
  }

  @Test(arguments: ["kill", "short", "\(ENOSPC)", "\(EIO)", "\(EDQUOT)", "\(EINTR)"])
  func everyCallOfASave(_ kind: String) throws {
    let shop = try Workshop()
    let library = try shop.compileFault("failing_calls", "-shared -fPIC -ldl")
    try shop.succeed(Self.arguments + ["output=whole"])
    let losses = try shop.losses("whole/events.jsonl")
    let (clean, calls) = try run(shop, library, call: 0, kind: kind)
    #expect(clean.exitCode == 0)
    try #require(calls > 40, "the run writes its files through these calls")
    let first = 1 + (["kill", "short"].firstIndex(of: kind) ?? 2)
    for call in Swift.stride(from: first, through: calls, by: Self.stride) {
      _ = try shop.shell("rm -rf run")
      let (outcome, _) = try run(shop, library, call: call, kind: kind)
      let place: Testing.Comment = "call \(call) of \(calls): \(outcome.error)"
      switch kind {
      case "kill": #expect(outcome.signal == SIGKILL, place)
      case "short", "\(EINTR)": break
      default: #expect([0, 73, 74].contains(outcome.exitCode), place)
      }
      #expect(outcome.signal == nil || kind == "kill", place)
      try shop.expectWhole(after: outcome, Self.arguments, losses: losses, place)
    }
  }

  /// The main job, with its comparison, an evaluation and a text: none of them makes a socket.
  @Test func nothingOpensAConnection() throws {
    let shop = try Workshop()
    let program = try shop.compileFault("no_network", "")
    var runner = shop.sparseft
    runner.executable = program
    let own = ProgramRunner.path
    let commands = [
      [
        "finetune", "recipe.json", #"run.sample={"prompt": "the", "max_tokens": 4}"#,
        #"compare=[{"type": "norms"}]"#,
      ],
      ["eval", "--model", "tiny.sfckpt", "--data", "text.txt"],
      ["generate", "--model", "tiny.sfckpt", "--prompt", "the", "--max-tokens", "4"],
    ]
    for arguments in commands {
      let outcome = try runner.run([own] + arguments)
      #expect(outcome.exitCode == 0 && outcome.signal == nil, "\(outcome.error)")
    }
    // The guard is one: a program that makes a socket is ended.
    let other = try runner.run(["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"])
    #expect(other.signal == SIGSYS)
  }
}
