import ArgumentParser
import Runs

/// Arguments of `eval` for tasks and for several models or data sets.
struct TaskArguments: ParsableArguments {
  @Flag(help: "Score the base and each delta by itself, with paired differences to the base.")
  var sideBySide = false

  @Flag(help: "Every path of --data is a data set of its own, as files of tasks always are.")
  var each = false

  @Option(
    help: """
      Of tasks: what stands between a prompt and its continuation where neither has white space. \
      (default: a space)
      """)
  var delimiter: String?

  @Option(
    help: ArgumentHelp(
      "Of tasks: ends a greedy text; may be repeated. (default: a blank line)", valueName: "text"))
  var until: [String] = []

  @Option(help: "Of tasks: the most tokens of a greedy text.")
  var maxTokens = 256

  @Option(
    help: ArgumentHelp(
      "Write a line of JSON for each item and model to this file.", valueName: "file"),
    completion: .file())
  var items: String?

  func validate() throws {
    guard (1...65536).contains(maxTokens) else {
      throw ValidationError("--max-tokens takes 1 to 65536")
    }
    guard !until.contains("") else {
      throw ValidationError("--until takes a text that is not empty")
    }
  }

  /// The models of a base and deltas.
  func models(_ deltas: [String]) -> [SideBySide.Model] {
    let base = SideBySide.Model(name: "base", deltas: [])
    if sideBySide { return [base] + deltas.map { SideBySide.Model(name: $0, deltas: [$0]) } }
    return deltas.isEmpty
      ? [base] : [SideBySide.Model(name: deltas.joined(separator: " + "), deltas: deltas)]
  }
}
