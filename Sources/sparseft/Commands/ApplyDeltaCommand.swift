import ArgumentParser
import Checkpoints
import Reports
import Runs
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

      --scale auto takes the scale from 0 to 1 with the lowest loss on --data at which the loss of \
      --guard is at most --max-loss-increase above the base's.
      """)

  @Option(help: "The checkpoint that the deltas were trained on.", completion: .file())
  var model: String

  @Option(help: "A delta (.sfdelta); may be repeated.", completion: .file())
  var delta: [String]

  @Option(
    parsing: .unconditional,
    help: """
      What every delta is multiplied by, from -100 to 100; below 0 it is taken away. auto: see \
      above.
      """)
  var scale = ScaleChoice.factor(1)

  @OptionGroup var search: ScaleArguments

  @Option(
    help: """
      Element type of matrices; by default a changed matrix takes the wider of its types in base \
      and deltas, and others keep theirs.
      """)
  var dtype: ElementType?

  @Flag(
    help: "Write it even if less than 95 % of the update is left, or if a delta is given twice.")
  var force = false

  @Option(name: .shortAndLong, help: "The checkpoint to write (.sfckpt).", completion: .file())
  var output: String

  func validate() throws {
    switch scale {
    case .auto:
      guard !search.data.isEmpty else { throw ValidationError("--scale auto needs --data") }
    case .factor(let factor):
      guard (-Self.largestScale...Self.largestScale).contains(factor) else {
        throw ValidationError("--scale takes a number from -100 to 100, found \(factor)")
      }
      guard search.data.isEmpty, search.guarded.isEmpty else {
        throw ValidationError("--data and --guard go with --scale auto")
      }
    }
  }

  /// Beyond this, weights are mostly update.
  private static let largestScale = 100.0

  func run() throws {
    let base = try Checkpoint.open(model)
    let deltas = try delta.map { try Delta.open($0) }
    if !force { try DeltaMerge.checkRepeats(deltas) }
    let scale = try factor()
    let merge = try DeltaMerge(base: base, deltas: deltas.map { (delta: $0, scale: scale) })
    let survival = merge.survival(as: dtype)
    if !force, let survival { try survival.check(output: output, next: Self.advice(survival)) }
    let hash = try merge.write(to: output, elementType: dtype)
    Output.note("\(output): merged model \(hash.prefix(12))…")
    if let line = survival?.line { Output.note("\(output): \(line)") }
  }

  /// The scale, searched for where that is asked for.
  private func factor() throws -> Double {
    if case .factor(let factor) = scale { return factor }
    Interruption.listen()
    Interruption.measure()
    let search = ScaleSearch(
      model, deltas: delta, shape: BatchShape(windows: 8, tokens: self.search.sequenceLength),
      threads: self.search.threads, shouldStop: { Interruption.isRequested })
    let result = try search.search(
      data: self.search.data, guarded: self.search.guarded,
      maxIncrease: self.search.maxLossIncrease, say: { Output.note($0) },
      observe: {
        Output.note("scale \(formatted($0.scale, decimals: 4)): loss \(Format.loss($0.loss))")
      })
    let base = result.points.first?.guardLoss
    var table = Table(
      [.init("scale", .right), .init("loss", .right)]
        + (base == nil ? [] : [.init("guard", .right), .init("rise", .right)]) + [.init("")])
    for (index, point) in result.points.enumerated() {
      let guarded = point.guardLoss.map { [Format.loss($0), Format.loss($0 - (base ?? 0))] } ?? []
      table.add(
        [formatted(point.scale, decimals: 4), Format.loss(point.loss)] + guarded
          + [index == result.best ? "taken" : ""])
    }
    Output.note(table)
    return result.points[result.best].scale
  }

  private static func advice(_ survival: UpdateSurvival) -> String {
    let int8 = ElementType.int8.rawValue
    let wider =
      survival.includes(int8) ? "--dtype bf16, or f32, which keeps all of it" : "--dtype f32"
    return "take \(wider), or --force to write it as it is"
  }
}
