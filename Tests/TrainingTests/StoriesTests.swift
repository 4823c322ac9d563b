import Adaptations
import Checkpoints
import Datasets
import Execution
import Interchange
import Tensors
import TestSupport
import Testing
import Tokenizers
import Training
import Weights

/// A real small model (260,032 parameters) on the text it was trained for.
@Suite struct StoriesTests {
  /// Observed: 1.3203 nats in f32; bf16 0.008 % and int8 0.02 % from it.
  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func narrowWeightsKeepTheLoss() throws {
    let source = try SharedData.require("stories260K/stories260K.bin")
    let tokenizer = try SharedData.require("stories260K/tok512.model")
    let text = try TemporaryFolder.read(try SharedData.require("text/tinystories.txt"))
    let folder = try TemporaryFolder()
    let path = try folder.write(Array(text.prefix(24_000)), to: "stories.txt")

    var losses: [ElementType: Double] = [:]
    for elementType in [ElementType.f32, .bf16, .int8] {
      let output = folder["\(elementType).sfckpt"]
      try CheckpointImport.run(
        source: source, tokenizer: tokenizer, elementType: elementType, output: output)
      let checkpoint = try Checkpoint.open(output)
      #expect(checkpoint.tensor("layers[0].mlp.up")?.elementType == elementType)
      let corpus = try Corpus.prepare(
        train: [path], validation: .none, sequenceLength: 1, separator: "<|endoftext|>",
        tokenizer: try SentencePieceTokenizer(serialized: checkpoint.tokenizerBytes),
        cacheFolder: folder["cache"])
      losses[elementType] = try loss(of: corpus.train, checkpoint)
    }
    let exact = try #require(losses[.f32])
    #expect((1.1...1.6).contains(exact), "\(exact) nats")
    #expect(abs(try #require(losses[.bf16]) / exact - 1) < 0.01)
    #expect(abs(try #require(losses[.int8]) / exact - 1) < 0.03)
  }

  private func loss(of text: TokenStream, _ checkpoint: Checkpoint) throws -> Double {
    let weights = try ModelWeights(checkpoint)
    let step = try CompiledStep(
      checkpoint.configuration, adaptation: NoAdaptation(), optimizer: .sgd(SGD()),
      clipNorm: nil, shape: BatchShape(windows: 4, tokens: 256), elementType: weights.elementType)
    let session = try Session(
      step, weights: weights, pool: try WorkerPool(threads: 2),
      kernels: try Kernels.forThisMachine(), seed: 0)
    return Evaluator(session, text: text).meanLoss()
  }
}
