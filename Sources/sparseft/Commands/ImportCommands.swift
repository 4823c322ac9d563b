import ArgumentParser
import Checkpoints
import Reports
import Tensors
import Tokenizers

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Converts another program's model to a checkpoint.")

  @Argument(help: "A Hugging Face folder or a llama2.c .bin file.")
  var source: String

  @Option(name: .shortAndLong, help: "The checkpoint to write (.sfckpt).")
  var output: String

  @Option(help: "The tokenizer's file (SentencePiece), if the source has none.")
  var tokenizer: String?

  @Option(help: "Element type of matrices; by default one that keeps the source's values exactly.")
  var dtype: ElementType?

  func run() throws {
    try CheckpointImport.run(
      source: source, tokenizer: tokenizer, elementType: dtype, output: output,
      recognise: TokenizerKind.recognise)
    try announce(output)
  }
}

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Creates a checkpoint with random weights, for pre-training.")

  @Option(help: "A config.json in Hugging Face's format.")
  var config: String

  @Option(help: "The tokenizer's file (SentencePiece).")
  var tokenizer: String

  @Option(help: "Seed of the random weights.")
  var seed: UInt64 = 0

  @Option(help: "Element type of matrices.")
  var dtype: ElementType = .f32

  @Option(name: .shortAndLong, help: "The checkpoint to write (.sfckpt).")
  var output: String

  func run() throws {
    let configuration = try HuggingFaceFormat.configuration(path: config)
    try RandomInitialisation.write(
      configuration: configuration, tokenizer: tokenizer, seed: seed, elementType: dtype,
      output: output, recognise: TokenizerKind.recognise)
    try announce(output)
  }
}

/// Reports the file that was written.
private func announce(_ path: String) throws {
  let checkpoint = try Checkpoint.open(path)
  let configuration = checkpoint.configuration
  Output.note(
    "\(path): \(Format.count(configuration.parameterCount)) parameters, \(configuration.layers) "
      + "layers, \(Format.bytes(checkpoint.byteCount)), \(checkpoint.contentHash.prefix(12))…")
}
