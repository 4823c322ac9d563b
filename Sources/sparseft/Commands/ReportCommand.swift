import ArgumentParser
import Pages

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Writes a page that shows a run, a comparison or an analysis.",
    discussion: """
      One HTML file with all figures, made from what is in the run's folder; the run may still be \
      going. finetune, compare and analyze write it as report.html when they end. docs/report.md \
      says what is on it.
      """)

  @Argument(
    help: ArgumentHelp("The run's folder: 'output' of its recipe.", valueName: "run"),
    completion: .directory)
  var folder: String

  @Option(name: .shortAndLong, help: "The HTML file to write.", completion: .file())
  var output: String

  func run() throws {
    try RunPage.write(in: folder, to: output)
    Output.note("\(output) shows '\(folder)'")
  }
}
