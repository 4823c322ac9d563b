import ArgumentParser
import Runs

/// The command line: one file per command in `Commands`, terminal output in `Console`; the work is
/// done by `Runs`.
struct Sparseft: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sparseft",
    abstract: """
      Fine-tunes small language models on this machine's CPU by updating only the tensors that \
      matter.
      """,
    discussion: """
      Progress goes to standard error, results to standard output; nothing ever opens a network \
      connection. Start with: sparseft finetune recipes/quickstart.json
      """,
    version: "sparseft \(Version.text)",
    subcommands: [
      FinetuneCommand.self, AnalyzeCommand.self, CompareCommand.self, PlanCommand.self,
      EvalCommand.self, GenerateCommand.self, CompileCommand.self, ExportDeltaCommand.self,
      ApplyDeltaCommand.self, MergeDeltasCommand.self, StripDeltaCommand.self,
      ExportCommand.self,
      ImportCommand.self,
      InitCommand.self, InspectCommand.self, TokenizeCommand.self, ReportCommand.self,
      WatchCommand.self, AuditCommand.self, RecipesCommand.self, NewCommand.self,
      CompletionsCommand.self,
    ])
}

@main
enum Main {
  static func main() {
    Output.openStandardDescriptors()
    Interruption.ignoreBrokenPipes()
    do {
      var command = try Sparseft.parseAsRoot()
      try command.run()
      try Output.finish()
    } catch {
      ExitStatus.end(with: error)
    }
  }
}
