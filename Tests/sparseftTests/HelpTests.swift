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

  /// What a file, a folder or one of a list is given for is completed by the shell.
  @Test func valuesAreCompleted() throws {
    let dump = try JSONValue.decode(ProgramRunner()("--experimental-dump-help").output)
    var open: [String] = []
    for command in try #require(dump["command"]?["subcommands"]?.array).flatMap(Self.family) {
      for argument in command["arguments"]?.array ?? []
      where argument["kind"]?.string != "flag" && argument["completionKind"] == nil {
        let name = [command["commandName"], argument["valueName"]].compactMap { $0?.string }
        open.append(name.joined(separator: " "))
      }
    }
    // Numbers and texts.
    let others = [
      "cache", "isa", "length", "max-loss-increase", "prompt", "scale", "seed", "seeds",
      "separator",
      "shadows", "size", "subcommands", "system", "temperature", "text", "threads", "tokens",
      "top-p",
      "weight", "windows", "delimiter",
    ]
    let missing = open.filter { name in !others.contains { name.hasSuffix($0) } }
    #expect(missing == [], "\(open)")
    let script = try ProgramRunner()("completions", "bash").output
    #expect(script.contains("hf") && script.contains("gguf") && script.contains("chatml"))
  }

  private static func family(_ command: JSONValue) -> [JSONValue] {
    [command] + (command["subcommands"]?.array ?? []).flatMap(family)
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
