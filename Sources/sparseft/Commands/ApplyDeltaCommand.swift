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
    discussion: """
      Several deltas add up: base + Σ scale · (trained − base). In bf16 and int8 part of a small \
      update may be rounded away: what is left of it is measured, and less than 95 % is refused.
      """)

  @Option(help: "The checkpoint that the deltas were trained on.")
  var model: String

  @Option(help: "A delta (.sfdelta); may be repeated.")
  var delta: [String]

  @Option(
    parsing: .unconditional,
    help: "What every delta is multiplied by, from -100 to 100; below 0 it is taken away.")
  var scale = 1.0

  @Option(
    help: """
      Element type of matrices; by default a changed matrix takes the wider of its types in base \
      and deltas, and others keep theirs.
      """)
  var dtype: ElementType?

  @Flag(
    help: "Write it even if less than 95 % of the update is left, or if a delta is given twice.")
  var force = false

  @Option(name: .shortAndLong, help: "The checkpoint to write (.sfckpt).")
  var output: String

  func validate() throws {
    guard (-Self.largestScale...Self.largestScale).contains(scale) else {
      throw ValidationError("--scale takes a number from -100 to 100, found \(scale)")
    }
  }

  /// Beyond this, weights are mostly update.
  private static let largestScale = 100.0

  func run() throws {
    let base = try Checkpoint.open(model)
    let deltas = try delta.map { try Delta.open($0) }
    if !force { try DeltaMerge.checkRepeats(deltas) }
    let merge = try DeltaMerge(base: base, deltas: deltas.map { (delta: $0, scale: scale) })
    let survival = merge.survival(as: dtype)
    if !force, let survival { try survival.check(output: output, next: Self.advice(survival)) }
    let hash = try merge.write(to: output, elementType: dtype)
    Output.note("\(output): merged model \(hash.prefix(12))…")
    if let line = survival?.line { Output.note("\(output): \(line)") }
  }

  private static func advice(_ survival: UpdateSurvival) -> String {
    let int8 = ElementType.int8.rawValue
    let wider =
      survival.includes(int8) ? "--dtype bf16, or f32, which keeps all of it" : "--dtype f32"
    return "take \(wider), or --force to write it as it is"
  }
}
