import Datasets
import Execution
import Recipes
import Records
import Storage
import Tensors
import Training

/// Scores texts with a model.
public struct TextEvaluation {
  public let model: LoadedModel
  /// Windows scored at a time, and tokens in a window.
  public let shape: BatchShape

  public init(_ model: LoadedModel, shape: BatchShape) {
    self.model = model
    self.shape = shape
  }

  /// Scores all windows of some texts, the last partial one included.
  ///
  /// - Parameters:
  ///   - paths: files, folders or globs of UTF-8 text.
  ///   - separator: text between documents of one file; nil where a file is one document.
  ///   - trainOn: which tokens of JSON Lines rows are scored.
  ///   - chatTemplate: how chats are written: a template's name, "none", or nil for the model's own.
  ///   - say: called, before anything is scored, with how rows are written and with each warning.
  ///   - shouldStop: asked before every batch.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop, and what reading the texts and
  ///   compiling the pass throws.
  public func score(
    _ paths: [String], separator: String? = nil, trainOn: TrainOnRecipe = .completions,
    chatTemplate: String? = nil, say: (String) -> Void = { _ in },
    shouldStop: () -> Bool = { false }
  ) throws -> EvaluationRecord {
    let corpus = try corpus(
      paths, separator: separator, trainOn: trainOn, chatTemplate: chatTemplate, say: say)
    let evaluator = Evaluator(try model.scoringSession(shape), text: corpus.train)
    let clock = ContinuousClock()
    let start = clock.now
    guard let loss = evaluator.meanLoss(unless: shouldStop) else { throw TrainingError.interrupted }
    guard loss.isFinite else {
      throw TrainingError.brokenModel(loss: loss, weight: model.weights.brokenWeight)
    }
    let seconds = (clock.now - start).seconds
    return EvaluationRecord(
      tokens: evaluator.tokenCount, loss: loss, bytes: corpus.trainBytes,
      tokensPerSecond: Double(evaluator.tokenCount) / max(seconds, 1e-9),
      peakResidentBytes: ProcessMemory.peakResidentBytes, precision: model.precision.base.rawValue)
  }

  /// Texts made ready to be scored as a whole; parameters as of `score`.
  func corpus(
    _ paths: [String], separator: String?, trainOn: TrainOnRecipe, chatTemplate: String?,
    say: (String) -> Void
  ) throws -> Corpus {
    let chats = try ChatChoice(
      chatTemplate, of: model.weights.checkpoint, tokenizer: model.tokenizer)
    let corpus = try Corpus.forScoring(
      paths.map(Folder.absolute), sequenceLength: shape.tokens, separator: separator,
      rows: RowEncoding(trainOn, chats), tokenizer: model.tokenizer)
    if let report = corpus.train.packingReport { say(chats.line(of: report)) }
    for warning in corpus.warnings { say("warning: \(warning)") }
    return corpus
  }

  /// The summed loss of each window of a text, in nats, and how many targets it has.
  ///
  /// - Throws: `TrainingError.interrupted` if it was asked to stop, `.brokenModel` for a loss that is
  ///   not finite.
  func windowSums(of text: TokenStream, shouldStop: () -> Bool) throws -> [ScoredSum] {
    let evaluator = Evaluator(try model.scoringSession(shape), text: text)
    let count = text.windowCount(sequenceLength: shape.tokens, includePartial: true)
    guard let means = evaluator.windowLosses(Array(0..<count), unless: shouldStop) else {
      throw TrainingError.interrupted
    }
    return try means.enumerated().map { window, mean in
      guard mean.isFinite else {
        throw TrainingError.brokenModel(loss: mean, weight: model.weights.brokenWeight)
      }
      let targets = text.scoredCount(window: window, sequenceLength: shape.tokens)
      return ScoredSum(loss: mean * Double(max(1, targets)), targets: targets)
    }
  }
}

extension LoadedModel {
  /// A session that scores and trains nothing.
  func scoringSession(_ shape: BatchShape) throws -> Session {
    let step = try CompiledStep(
      weights.configuration, adaptation: weights.adaptation,
      optimizer: .sgd(SGD()), clipNorm: nil, shape: shape, precision: precision,
      elementType: weights.elementType)
    return try Session(step, weights: weights, pool: pool, kernels: kernels, seed: 0)
  }
}
