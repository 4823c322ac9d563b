import ArgumentParser
import Checkpoints
import Reports
import Storage
import Tensors

struct MergeDeltasCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge-deltas",
    abstract: "Adds deltas of one checkpoint up to one delta.",
    discussion: """
      The result changes what any of them changes: base + Σ weight · (trained − base), in f32. \
      Low-rank factors are stacked, so their ranks add up. The base is needed only where several \
      deltas change the same rows, stored as values, and their weights don't add up to 1; with \
      it, applying the result is the same, bit for bit, as applying them all.
      """)

  @Argument(help: ArgumentHelp("Deltas (.sfdelta) of one checkpoint.", valueName: "delta"))
  var deltas: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "A number for each delta that its update is multiplied by; 1 each by default.",
      discussion: "From -100 to 100, but not 0.", valueName: "weight"))
  var weights: [Double] = []

  @Option(help: "The checkpoint that the deltas were trained on.")
  var model: String?

  @Flag(help: "Write it even if a delta is given twice.")
  var force = false

  @Option(name: .shortAndLong, help: "The delta to write (.sfdelta).")
  var output: String

  func validate() throws {
    guard weights.isEmpty || weights.count == deltas.count else {
      throw ValidationError(
        "--weights takes a number for each delta: found \(weights.count) for \(deltas.count)")
    }
    if let other = weights.first(where: { !(-100...100).contains($0) || $0 == 0 }) {
      throw ValidationError("--weights takes numbers from -100 to 100 but 0, found \(other)")
    }
  }

  func run() throws {
    let opened = try deltas.map { try Delta.open($0) }
    if !force { try DeltaMerge.checkRepeats(opened) }
    let weights = weights.isEmpty ? opened.map { _ in 1 } : weights
    let base = try model.map { try Checkpoint.open($0) }
    try DeltaSum(zip(opened, weights).map { ($0, $1) }, base: base).write(to: output)
    let written = try Delta.open(output)
    Output.note(
      "\(output): \(Format.bytes(written.byteCount)), \(Format.count(written.storedParameters)) "
        + "values of \(opened.count) delta\(opened.count == 1 ? "" : "s"), for the model "
        + "\(written.baseHash.prefix(12))…")
  }
}
