import Adaptations
import ArgumentParser
import Checkpoints
import Datasets
import Execution
import Records
import Reports
import Storage
import Tensors
import Tokenizers
import Training
import Weights

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Scores text: mean loss per token, perplexity, bits per byte.")

  @OptionGroup var arguments: ModelArguments

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Files, folders or globs of UTF-8 text.", valueName: "path"))
  var data: [String]

  @Option(help: "Tokens in a window.")
  var sequenceLength = 256

  @Option(help: "Text between documents of one file.")
  var documentSeparator: String?

  @Option(help: "Windows scored at a time.")
  var batchSize = 8

  @Option(help: "Threads.")
  var threads = 2

  @Flag(help: "Standard output carries JSON only.")
  var json = false

  func validate() throws {
    guard (1...1_048_576).contains(sequenceLength) else {
      throw ValidationError("--sequence-length takes 1 to 1048576")
    }
    guard (1...65536).contains(batchSize) else {
      throw ValidationError("--batch-size takes 1 to 65536")
    }
  }

  func run() throws {
    let checkpoint = try Checkpoint.open(arguments.model)
    let deltas = try arguments.delta.map { (delta: try Delta.open($0), scale: 1.0) }
    let weights = try ModelWeights(checkpoint, deltas: deltas)
    let tokenizer = try Tokenizer(model: checkpoint.tokenizerModel)
    let cache = try TemporaryCache()
    let corpus = try Corpus.prepare(
      train: data.map(TemporaryCache.absolute), validation: .none, sequenceLength: 1,
      separator: documentSeparator, appendEOS: false, tokenizer: tokenizer,
      cacheFolder: cache.path)
    let shape = BatchShape(windows: batchSize, tokens: sequenceLength)
    let step = try CompiledStep(
      weights.configuration, adaptation: NoAdaptation(), optimizer: .sgd(SGD()), clipNorm: nil,
      shape: shape, elementType: weights.elementType)
    let session = try Session(
      step, weights: weights, pool: try WorkerPool(threads: threads),
      kernels: try Kernels.forThisMachine(), seed: 0)
    let clock = ContinuousClock()
    let start = clock.now
    let evaluator = Evaluator(session, text: corpus.train)
    let loss = evaluator.meanLoss()
    let seconds = (clock.now - start).seconds
    report(
      EvaluationRecord(
        tokens: evaluator.tokenCount, loss: loss, bytes: corpus.trainBytes,
        tokensPerSecond: Double(evaluator.tokenCount) / max(seconds, 1e-9),
        peakResidentBytes: ProcessMemory.peakResidentBytes))
  }

  private func report(_ result: EvaluationRecord) {
    guard !json else { return Output.print(result.json) }
    Output.print(
      """
      loss          \(Format.loss(result.loss)) nats per token
      perplexity    \(formatted(result.perplexity, decimals: 3))
      bits per byte \(formatted(result.bitsPerByte, decimals: 4))
      tokens        \(result.tokens) from \(result.bytes) bytes, \
      \(Format.count(result.tokensPerSecond)) tokens/s
      """)
  }
}
