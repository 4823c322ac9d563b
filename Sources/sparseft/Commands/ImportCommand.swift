import ArgumentParser
import Checkpoints
import Interchange
import Reports
import Storage
import Tensors

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Converts another program's model, or a LoRA adapter, for sparseft.")

  @Argument(
    help:
      "A Hugging Face folder, a GGUF file, a llama2.c .bin file, or the folder of a PEFT adapter.",
    completion: .file())
  var source: String

  @Option(
    name: .shortAndLong,
    help: "The checkpoint to write (.sfckpt); of an adapter, the delta (.sfdelta).",
    completion: .file())
  var output: String

  @Option(
    help: "The tokenizer's file (tokenizer.model or tokenizer.json), if the source has none.",
    completion: .file())
  var tokenizer: String?

  @Option(help: "Element type of matrices; by default one that keeps the source's values exactly.")
  var dtype: ElementType?

  @Option(
    help: ArgumentHelp(
      "The checkpoint that an adapter was trained on; the output is then a delta (.sfdelta).",
      valueName: "checkpoint"), completion: .file())
  var model: String?

  func run() throws {
    if PEFTImport.recognises(source) { return try importAdapter() }
    guard model == nil || !Folder.exists(source) else {
      throw ValidationError(
        "'\(source)' is no LoRA adapter, which --model names the checkpoint of; leave it out")
    }
    let summary = try CheckpointImport.run(
      source: source, tokenizer: tokenizer, elementType: dtype, output: output)
    try Output.announce(checkpoint: output, hash: summary.contentHash)
    for note in summary.notes { Output.note("\(output): \(note)") }
    announceRounding(summary)
  }

  /// How far the stored values are from the source's, by kind of matrix.
  private func announceRounding(_ summary: ImportSummary) {
    guard !summary.rounding.isEmpty else { return }
    var table = Table([
      .init("rounded to \(summary.elementType.rawValue)"), .init("relative RMS error", .right),
      .init("largest error", .right),
    ])
    for (matrix, sums) in summary.rounding {
      table.add([
        matrix, formatted(100 * sums.relative, decimals: 2) + " %",
        Format.rate(Double(sums.largestError)),
      ])
    }
    Output.note(table)
  }

  private func importAdapter() throws {
    guard let model else {
      throw ValidationError("'\(source)' is a LoRA adapter; name its checkpoint with --model")
    }
    guard tokenizer == nil else {
      throw ValidationError(
        "'\(source)' is a LoRA adapter, whose tokenizer is its checkpoint's; leave out --tokenizer")
    }
    try PEFTImport.run(
      folder: source, base: Checkpoint.open(model), elementType: dtype ?? .f32, output: output)
    let delta = try Delta.open(output)
    Output.note(
      "\(output): factors of \(delta.entries.count) matrices, for the model "
        + "\(delta.baseHash.prefix(12))…")
  }
}
