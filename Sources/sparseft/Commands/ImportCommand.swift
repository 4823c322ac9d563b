import ArgumentParser
import Checkpoints
import Interchange
import Tensors

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
      source: source, tokenizer: tokenizer, elementType: dtype, output: output)
    try Output.announce(checkpoint: output)
  }
}
