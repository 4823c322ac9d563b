import ArgumentParser
import Audits
import Pages
import Recipes
import Records
import Reports
import Runs
import Tensors

struct AuditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Tries to read a delta's training text from it, and says what came out.",
    discussion: """
      The span test looks for tokens in the changed weights; membership and extraction ask the \
      tuned model. --train names what was trained on, as the recipe does, --heldout text of the same \
      kind that was not. Exit code 1 where a leak is shown, 0 where none is, which does not mean \
      that there is none (docs/privacy.md).
      """)

  @Argument(help: "The delta (.sfdelta).", completion: .file())
  var delta: String

  @Option(help: "The checkpoint that was trained.", completion: .file())
  var model: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("The text that was trained on.", valueName: "path"), completion: .file())
  var train: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Text of the same kind that was not.", valueName: "path"),
    completion: .file())
  var heldout: [String]

  @Option(help: "Runs like the delta's on halves of the held-out text, to compare with.")
  var shadows = 0

  @Option(help: "Windows of each text that are scored at most.")
  var windows = 400

  @Option(help: "Tokens per window; by default as many as the delta was trained with.")
  var sequenceLength: Int?

  @Option(help: "Text that separates documents within a file, as in the recipe.")
  var documentSeparator: String?

  @Option(help: "The longest beginnings that the span test grows through frozen blocks.")
  var prefixLength = 4

  @Option(help: "Worker threads.")
  var threads = 2

  @Option(help: "Element type that matmuls multiply, as for eval.")
  var precision = PrecisionChoice.auto

  @Option(help: "Seed of intervals, halves and secrets.")
  var seed: UInt64 = 0

  @Option(help: "An HTML page of the audit to write.", completion: .file())
  var report: String?

  @Flag(help: "Write only JSON to standard output.")
  var json = false

  func validate() throws {
    guard (0...64).contains(shadows) else { throw ValidationError("--shadows takes 0 to 64") }
    guard (16...1_000_000).contains(windows) else {
      throw ValidationError("--windows takes 16 to 1000000")
    }
    guard (1...1_048_576).contains(sequenceLength ?? 1) else {
      throw ValidationError("--sequence-length takes 1 to 1048576")
    }
    guard (1...64).contains(prefixLength) else {
      throw ValidationError("--prefix-length takes 1 to 64")
    }
  }

  func run() throws {
    Interruption.listen()
    var settings = Audit.Settings(model: model, delta: delta, train: train, heldOut: heldout)
    settings.shadows = shadows
    settings.windows = windows
    settings.sequenceLength = sequenceLength
    settings.documentSeparator = documentSeparator
    settings.prefixLength = prefixLength
    settings.threads = threads
    settings.precision = precision
    settings.seed = seed
    let audit = try Audit(settings)
    for warning in audit.warnings { Output.note("warning: \(warning)") }
    Output.note(Self.words(try audit.price()))
    let record = try audit.run(
      say: { Output.note($0) }, shouldStop: { Interruption.isRequested })
    if let report { try AuditPage(record).write(to: report) }
    if json {
      Output.print(record.json)
    } else {
      Output.print(record.lines.joined(separator: "\n"))
    }
    try Output.finish()
    if record.leaks { throw ExitCode(1) }
  }

  private static func words(_ price: AuditPrice) -> String {
    var text = "price: \(Format.count(price.forwardTokens)) tokens forward"
    if price.shadowTokens > 0 {
      text += ", \(Format.count(price.shadowTokens)) tokens of training in shadow runs"
    }
    if let share = price.share { text += "; \(Format.percent(share)) of the delta's training" }
    return text
  }
}
