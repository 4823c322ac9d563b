import ArgumentParser
import Checkpoints
import Interchange
import Reports
import Runs
import Tensors

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a model, or an adapter, for other programs.",
    discussion: """
      hf: a folder for transformers. gguf: a file for llama.cpp. peft: the low-rank factors of a \
      LoRA run, for PEFT and for llama.cpp. Deltas are merged; several add up.
      """)

  @Argument(help: "The checkpoint (.sfckpt).", completion: .file())
  var model: String

  @Option(
    help: ArgumentHelp("A delta to apply (.sfdelta); may be repeated.", valueName: "delta"),
    completion: .file())
  var delta: [String] = []

  @Option(help: "The format.")
  var format: ExportFormatName

  @Option(name: .shortAndLong, help: "The file or folder to write.", completion: .file())
  var output: String

  @Option(help: "Element type of matrices; by default one that keeps their values exactly.")
  var dtype: ForeignElementType?

  @Flag(
    help: "Read back what was written and compare logits and a greedy text before saying done.")
  var verify = false

  @Flag(
    help: "Write it even if less than 95 % of the update is left, or if a delta is given twice.")
  var force = false

  @Option(help: "Worker threads of --verify.")
  var threads = 2

  func validate() throws {
    guard let dtype, !format.format.elementTypes.contains(dtype) else { return }
    let known = format.format.elementTypes.map(\.rawValue).joined(separator: ", ")
    throw ValidationError("--format \(format.format.name) stores \(known), not \(dtype.rawValue)")
  }

  func run() throws {
    let checkpoint = try Checkpoint.open(model)
    let deltas = try delta.map { try Delta.open($0) }
    if !force { try DeltaMerge.checkRepeats(deltas) }
    let (notes, check) = try ExportCheck.export(
      ExportedModel(checkpoint, deltas: deltas.map { ($0, 1.0) }), as: format.format,
      elementType: dtype, to: output, verifies: verify, forces: force, threads: threads)
    for note in notes { Output.note("\(output): \(note)") }
    guard let check else { return }
    Output.note(
      "\(output): read back; \(Format.count(check.logitCount)) logits differ by at most "
        + "\(formatted(100 * check.difference, decimals: 4)) % of the largest, and a greedy text "
        + "is the same")
    guard let rounding = check.rounding else { return }
    Output.note(
      "\(output): rounding weights changed logits by up to "
        + "\(formatted(100 * rounding.difference, decimals: 4)) % of the largest, and "
        + (rounding.keepsText ? "no word" : "words") + " of the greedy text")
  }
}

/// A format's name as an argument.
struct ExportFormatName: ExpressibleByArgument {
  let format: any ExportFormat.Type

  static var allValueStrings: [String] { ModelExport.formats.map { $0.name } }
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }

  init?(argument: String) {
    guard let format = ModelExport.format(named: argument) else { return nil }
    self.format = format
  }
}

extension ForeignElementType: ExpressibleByArgument {}
