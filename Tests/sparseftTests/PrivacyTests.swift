import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Who may read what is made of a text.
@Suite struct PrivacyTests {
  private func mode(_ shop: Workshop, _ name: String) throws -> mode_t {
    try #require(Folder.mode(shop.folder[name])) & 0o777
  }

  private static let outputs = [
    "events.jsonl", "summary.json", "report.html", "best/trained.sfdelta", "last/state.sfstate",
  ]

  @Test func aPrivateTextMakesPrivateFiles() throws {
    let shop = try Workshop()
    #expect(chmod(shop.folder["text.txt"], 0o600) == 0)
    try shop.finetune()
    for name in Self.outputs { #expect(try mode(shop, "run/\(name)") == 0o600, "\(name)") }
    for name in shop.files where name.hasSuffix(".tokens") {
      #expect(try mode(shop, name) == 0o600)
    }
  }

  @Test func anOpenTextLeavesItToTheMask() throws {
    let shop = try Workshop()
    try shop.finetune()
    for name in Self.outputs { #expect(try mode(shop, "run/\(name)") & 0o044 == 0o044, "\(name)") }
  }

  /// No message goes into a file that got the number of a descriptor that the caller closed.
  @Test func closedDescriptorsStayClosed() throws {
    let shop = try Workshop()
    let code = try shop.shell(
      "\(ProgramRunner.path) finetune recipe.json run.threads=33 <&- >&- 2>&-; "
        + "\(ProgramRunner.path) finetune recipe.json <&- >&- 2>&-")
    #expect(code == 0)
    #expect(try shop.jsonLines("run/events.jsonl").last?["type"] == "done")
  }

  /// Ids of an evaluated text are nowhere, even while it runs.
  @Test func anEvaluationLeavesNoIDs() throws {
    let shop = try Workshop()
    try shop.folder.write(Workshop.text(sentences: 4000), to: "long.txt")
    let code = try shop.shell(
      "mkdir tmp; export TMPDIR=$PWD/tmp; \(ProgramRunner.path) eval --model tiny.sfckpt --data "
        + "long.txt 2>/dev/null & sleep 1; kill $! ; wait $!; find tmp -type f >left")
    #expect(code == 0)
    #expect(String(decoding: try shop.folder.read("left"), as: UTF8.self) == "")
  }
}
