import Storage
import TestSupport
import Testing

/// `report` and `watch`, and the pages that other commands leave.
@Suite struct ReportTests {
  private static func text(_ shop: Workshop, _ name: String) throws -> String {
    String(decoding: try shop.folder.read(name), as: UTF8.self)
  }

  @Test func runsAndComparisonsLeaveAPage() throws {
    let shop = try Workshop(method: #"{"type": "last_layers", "count": 1}"#)
    try shop.finetune(#"compare=[{"type": "norms"}]"#)
    let page = try Self.text(shop, "run/report.html")
    #expect(page.contains("<section id=\"comparison\""))
    #expect(page.contains("last layer") && page.contains("norms"))
    #expect(shop.files.contains("run/compare/1-norms-1/report.html"))
  }

  /// Of a run that is not over, as an event file has it whose last line is being written.
  @Test func reportsAndWatchesWhatIsThere() throws {
    let shop = try Workshop()
    try shop.finetune()
    let lines = try Self.text(shop, "run/events.jsonl").split(separator: "\n")
    let part = lines.prefix { !$0.contains("\"type\":\"done\"") }.joined(separator: "\n")
    try shop.folder.write(Array((part + "\n{\"type\":\"do").utf8), to: "part/events.jsonl")
    let outcome = try shop.succeed(["report", "part", "-o", "part.html"])
    #expect(outcome.output == "" && outcome.error == "part.html shows 'part'\n")
    #expect(try Self.text(shop, "part.html").contains("step 3 of 3, not finished"))

    let watched = try shop.succeed(["watch", "part"])
    #expect(watched.output.hasPrefix("full: trains 35.6 k of 35.6 k parameters"))
    #expect(watched.output.contains("training 3/3 (100 %)  loss "))
    #expect(!watched.output.contains("\u{1B}"))
    let finished = try shop.succeed(["watch", "run"])
    #expect(finished.lines.last?.hasPrefix("finished after 3 steps in ") == true)
  }

  @Test func foldersWithoutARunAreRefused() throws {
    let shop = try Workshop()
    let report = try shop.sparseft("report", "nowhere", "-o", "x.html")
    #expect(report.exitCode == 66)
    #expect(report.error.hasPrefix("error: 'nowhere' holds no run: no events.jsonl"))
    #expect(!shop.files.contains("x.html"))
    #expect(try shop.sparseft("watch", "nowhere").exitCode == 66)
  }
}
