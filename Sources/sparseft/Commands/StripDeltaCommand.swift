import ArgumentParser
import Checkpoints
import Reports
import Storage

struct StripDeltaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "strip-delta",
    abstract: "Copies a delta without anything that says how it was trained.",
    discussion: """
      The weights stay bit for bit; method, recipe, metrics and the hash of the run's own file go. \
      What is left beside the weights, 'sparseft inspect --privacy' lists. What the weights \
      themselves tell of the text stays in them.
      """)

  @Argument(help: "A delta (.sfdelta).", completion: .file())
  var delta: String

  @Option(name: .shortAndLong, help: "The delta to write (.sfdelta).", completion: .file())
  var output: String

  func run() throws {
    let source = try Delta.open(delta)
    try DeltaWriter.strip(source, to: output)
    let written = try Delta.open(output)
    Output.note(
      "\(output): \(Format.bytes(written.byteCount)), \(Format.count(written.storedParameters)) "
        + "values, for the model \(written.baseHash.prefix(12))…")
  }
}
