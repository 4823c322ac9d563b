import Storage
import TestSupport
import Testing

/// The guard as people and programs see it.
@Suite struct GuardCommandTests {
  /// Told beside each validation and as an event; then a scale is searched within it.
  @Test func aGuardedRunAndItsScale() throws {
    let shop = try Workshop()
    try shop.folder.write(String(repeating: "QUIZ? 1234567890 VEXED! ", count: 20), to: "other.txt")
    let run = try shop.finetune(#"guard={"data": "other.txt", "max_loss_increase": 50}"#)
    let lines = run.error.split(separator: "\n").filter { $0.contains("held-out loss") }
    #expect(
      lines.first?.contains("; guard ") == true && lines.first?.contains("may rise by 50") == true)
    #expect(lines.dropFirst().first?.contains(" of 50.0000)") == true, "\(lines)")
    #expect(run.error.contains("page: run/report.html\n"))
    let events = try shop.jsonLines("run/events.jsonl")
    let guarded = events.filter { $0["type"] == "guard" }
    #expect(guarded.compactMap { $0["step"]?.int } == [0, 3])
    #expect(guarded.allSatisfy { $0["within"] == true })
    #expect(events.last { $0["type"] == "done" }?["guard"]?["step"]?.int == 3)
    let page = String(decoding: try shop.folder.read("run/report.html"), as: UTF8.self)
    #expect(page.contains("Guard’s loss by step"))

    let arguments = [
      "apply-delta", "--model", "tiny.sfckpt", "--delta", "run/best/trained.sfdelta", "-o",
      "merged.sfckpt", "--scale", "auto",
    ]
    let more = ["--data", "text.txt", "--guard", "other.txt", "--max-loss-increase", "50"]
    let merge = try shop.succeed(arguments + more + ["--sequence-length", "32"])
    #expect(merge.error.contains("taken") && Folder.exists(shop.folder["merged.sfckpt"]))
    #expect(try shop.sparseft.run(arguments).exitCode == 64)
    let plain = Array(arguments.dropLast()) + ["1", "--data", "text.txt"]
    #expect(try shop.sparseft.run(plain).exitCode == 64)
  }
}
