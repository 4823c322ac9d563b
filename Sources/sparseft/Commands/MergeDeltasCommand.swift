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

  @Argument(
    help: ArgumentHelp("Deltas (.sfdelta) of one checkpoint.", valueName: "delta"),
    completion: .file())
  var deltas: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "For each delta what its update is multiplied by, from -100 to 100 but not 0; 1 each by "
        + "default. With commas also --weights=-1,2.",
      valueName: "weight"))
  var weights: [String] = []

  @Option(help: "The checkpoint that the deltas were trained on.", completion: .file())
  var model: String?

  @Flag(help: "Write it even if a delta is given twice.")
  var force = false

  @Option(name: .shortAndLong, help: "The delta to write (.sfdelta).", completion: .file())
  var output: String

  func validate() throws {
    let found = weights.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let numbers = found.compactMap { Double($0) }.filter { (-100...100).contains($0) && $0 != 0 }
    guard numbers.count == found.count else {
      let list = weights.joined(separator: " ")
      throw ValidationError("--weights takes numbers from -100 to 100 but 0, found \(list)")
    }
    guard numbers.isEmpty || numbers.count == deltas.count else {
      throw ValidationError(
        "--weights takes a number for each delta: found \(numbers.count) for \(deltas.count)")
    }
  }

  /// One for each delta.
  private var factors: [Double] {
    let given = weights.flatMap { $0.split(separator: ",") }.compactMap { Double($0) }
    return given.isEmpty ? deltas.map { _ in 1 } : given
  }

  func run() throws {
    let opened = try deltas.map { try Delta.open($0) }
    if !force { try DeltaMerge.checkRepeats(opened) }
    let base = try model.map { try Checkpoint.open($0) }
    try DeltaSum(zip(opened, factors).map { ($0, $1) }, base: base).write(to: output)
    let written = try Delta.open(output)
    Output.note(
      "\(output): \(Format.bytes(written.byteCount)), \(Format.count(written.storedParameters)) "
        + "values of \(opened.count) delta\(opened.count == 1 ? "" : "s"), for the model "
        + "\(written.baseHash.prefix(12))…")
  }
}
