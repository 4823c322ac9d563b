import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The help of every command equals a committed text, so that a change of it is seen in review.
///
/// `SPARSEFT_REWRITE_SNAPSHOTS=1 swift test --filter HelpTests` writes the texts anew.
@Suite struct HelpTests {
  private static let folder = SharedData.packageRoot + "/Tests/sparseftTests/Snapshots"

  static let commands = [
    "", "finetune", "analyze", "compare", "plan", "eval", "generate", "compile",
    "export-delta", "apply-delta", "merge-deltas", "strip-delta",
    "export",
    "import", "init", "inspect", "tokenize", "report", "watch",
    "audit", "recipes", "new", "completions",
  ]

  @Test(arguments: commands)
  func helpIsTheCommittedText(_ command: String) throws {
    var sparseft = ProgramRunner()
    // Help is wrapped to the terminal's width.
    sparseft.environment = ["COLUMNS": "80"]
    let outcome = try sparseft.run((command.isEmpty ? [] : [command]) + ["--help"])
    #expect(outcome.exitCode == 0)
    #expect(outcome.error == "")
    let path = "\(Self.folder)/\(command.isEmpty ? "sparseft" : command).txt"
    if getenv("SPARSEFT_REWRITE_SNAPSHOTS") != nil {
      try Folder.create(Self.folder)
      try AtomicFile.write(Array(outcome.output.utf8), to: path)
    }
    let committed = String(decoding: try TemporaryFolder.read(path), as: UTF8.self)
    #expect(outcome.output == committed)
  }

  /// Every command of the program has its text here.
  @Test func everyCommandIsListed() throws {
    let help = try ProgramRunner()("--help").output
    let section = try #require(help.split(separator: "SUBCOMMANDS:\n").last)
    let names = section.split(separator: "\n\n")[0].split(separator: "\n").filter {
      $0.hasPrefix("  ") && !$0.hasPrefix("   ")
    }.compactMap { $0.split(separator: " ").first.map(String.init) }
    #expect(names == Array(Self.commands.dropFirst()))
  }
}
