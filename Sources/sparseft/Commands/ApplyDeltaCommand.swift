import ArgumentParser
import Checkpoints
import Reports
import Storage
import Tensors
import Training

struct ApplyDeltaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply-delta",
    abstract: "Merges deltas into a copy of the checkpoint they were trained on.",
    discussion: "Several deltas add up: base + Σ scale · (trained − base).")

  @Option(help: "The checkpoint that the deltas were trained on.")
  var model: String

  @Option(help: "A delta (.sfdelta); may be repeated.")
  var delta: [String]

  @Option(help: "What every delta is multiplied by.")
  var scale = 1.0

  @Option(
    help: """
      Element type of matrices; by default a changed matrix takes the wider of its types in base \
      and deltas, and others keep theirs.
      """)
  var dtype: ElementType?

  @Option(name: .shortAndLong, help: "The checkpoint to write (.sfckpt).")
  var output: String

  func validate() throws {
    guard scale.isFinite else { throw ValidationError("--scale takes a finite number") }
  }

  func run() throws {
    let base = try Checkpoint.open(model)
    let deltas = try delta.map { (delta: try Delta.open($0), scale: scale) }
    let hash = try Delta.apply(to: base, deltas: deltas, elementType: dtype, output: output)
    Output.note("\(output): merged model \(hash.prefix(12))…")
  }
}
