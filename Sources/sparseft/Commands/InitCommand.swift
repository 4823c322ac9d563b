import ArgumentParser
import Checkpoints
import Interchange
import Tensors

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Creates a checkpoint with random weights, for pre-training.")

  @Option(help: "A config.json in Hugging Face's format.", completion: .file())
  var config: String

  @Option(help: "The tokenizer's file (tokenizer.model or tokenizer.json).", completion: .file())
  var tokenizer: String

  @Option(help: "Seed of the random weights.")
  var seed: UInt64 = 0

  @Option(help: "Element type of matrices.")
  var dtype: ElementType = .f32

  @Option(name: .shortAndLong, help: "The checkpoint to write (.sfckpt).", completion: .file())
  var output: String

  func run() throws {
    let configuration = try HuggingFaceFormat.configuration(path: config)
    let tokenizer = try TokenizerFile.read(
      tokenizer, for: output, vocabularySize: configuration.vocabularySize)
    let hash = try RandomInitialisation.write(
      configuration: configuration, tokenizer: tokenizer.stored, seed: seed, elementType: dtype,
      output: output)
    try Output.announce(checkpoint: output, hash: hash)
    for token in tokenizer.leftOut { Output.note("\(output): without \(token)") }
  }
}
