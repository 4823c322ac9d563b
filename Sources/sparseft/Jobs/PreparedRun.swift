import Adaptations
import Checkpoints
import Contributions
import Datasets
import Execution
import Recipes
import Storage
import Tensors
import Tokenizers
import Training
import Weights

/// A recipe made ready: model mapped, text tokenized, method compiled, memory forecast.
///
/// One batch's way starts here: recipe → corpus → compiled step → `Trainer` → events.
struct PreparedRun {
  let recipe: Recipe
  let weights: ModelWeights
  let tokenizer: Tokenizer
  let corpus: Corpus
  let settings: TrainingSettings
  let step: CompiledStep
  let choice: String?
  /// Arithmetic per token, of this method and of training everything.
  let flopsPerToken: Double
  let fullFlopsPerToken: Double
  let forecast: MemoryForecast
  let kernels: Kernels
  let pool: WorkerPool

  /// - Parameters:
  ///   - cache: the folder for token ids; nil for one in the run's folder.
  ///   - keepsStages: keep the compiler's stages as text.
  init(
    recipe path: String, overrides: [String], cache: String? = nil, keepsStages: Bool = false
  ) throws {
    recipe = try Recipe.load(path: path, overrides: overrides)
    let checkpoint = try Checkpoint.open(recipe.model.absolute)
    let configuration = checkpoint.configuration
    let problems = recipe.problems(
      names: configuration.parameters.map(\.name), layers: configuration.layers)
    guard problems.isEmpty else { throw RecipeError.problems(file: path, problems) }
    weights = try ModelWeights(checkpoint)
    tokenizer = try Tokenizer(model: checkpoint.tokenizerModel)
    guard tokenizer.vocabularySize <= configuration.vocabularySize else {
      throw TrainingError.vocabulary(
        pieces: tokenizer.vocabularySize, rows: configuration.vocabularySize)
    }
    corpus = try Self.corpus(
      recipe, tokenizer: tokenizer, cache: cache ?? recipe.output.absolute + "/cache")
    corpus.train.releasePages()
    settings = Self.settings(recipe, corpus: corpus)
    kernels = try Kernels.forThisMachine()
    pool = try WorkerPool(threads: recipe.run.threads)
    try kernels.warmUp(pool)

    let elementType = weights.elementType
    let run = settings
    func compile(
      _ adaptation: some Adaptation, keepsStages: Bool = false
    ) throws(TrainingError) -> CompiledStep {
      try CompiledStep(
        configuration, adaptation: adaptation, optimizer: run.optimizer, clipNorm: run.clipNorm,
        shape: run.shape, elementType: elementType, keepsStages: keepsStages)
    }
    let threads = pool.threads
    let runtimeBytes = ProcessMemory.residentBytes
    let full = try compile(FullAdaptation()).flopsPerToken
    let rule = SchemeRule(configuration, seed: settings.seed) { scheme throws(TrainingError) in
      let step = try compile(SparseAdaptation(scheme: scheme))
      let forecast = MemoryForecast(step, threads: threads, runtimeBytes: runtimeBytes)
      return (forecast.total, step.flopsPerToken / full)
    }
    let method = try MethodChoice(recipe.method.method, configuration, rule: rule)
    choice = method.choice
    step = try compile(method.adaptation, keepsStages: keepsStages)
    flopsPerToken = step.flopsPerToken
    fullFlopsPerToken = full
    forecast = MemoryForecast(
      step, threads: threads, runtimeBytes: ProcessMemory.residentBytes)
  }

  private static func corpus(
    _ recipe: Recipe, tokenizer: Tokenizer, cache: String
  ) throws -> Corpus {
    let validation: ValidationSource =
      switch recipe.data.validation {
      case .fraction(let share) where share > 0: .fraction(share)
      case .fraction: .none
      case .files(let files): .files(files.map(\.absolute))
      }
    try Folder.create(cache)
    let corpus = try Corpus.prepare(
      train: recipe.data.train.map(\.absolute), validation: validation,
      sequenceLength: recipe.data.sequenceLength, separator: recipe.data.documentSeparator,
      appendEOS: recipe.data.appendEOS, tokenizer: tokenizer, cacheFolder: cache)
    return corpus
  }

  private static func settings(_ recipe: Recipe, corpus: Corpus) -> TrainingSettings {
    let shape = BatchShape(
      windows: recipe.run.batchSize, tokens: recipe.data.sequenceLength,
      accumulation: recipe.run.accumulation)
    let windows = corpus.train.windowCount(sequenceLength: shape.tokens, includePartial: false)
    let steps: Int
    switch recipe.run.length {
    case .steps(let count): steps = count
    case .epochs(let epochs):
      steps = max(1, epochs * windows / (shape.windows * shape.accumulation))
    }
    let optimizer: Optimizer =
      switch recipe.optimizer.type {
      case .adamw:
        .adamW(
          AdamW(
            firstBeta: recipe.optimizer.betas.first, secondBeta: recipe.optimizer.betas.second,
            epsilon: recipe.optimizer.epsilon, weightDecay: recipe.optimizer.weightDecay))
      case .sgd:
        .sgd(
          SGD(momentum: recipe.optimizer.momentum, weightDecay: recipe.optimizer.weightDecay))
      }
    let curve = LearningRateSchedule.Curve(rawValue: recipe.schedule.type.rawValue) ?? .cosine
    return TrainingSettings(
      steps: steps, shape: shape, optimizer: optimizer, clipNorm: recipe.optimizer.clipNorm,
      schedule: LearningRateSchedule(
        curve: curve, peak: recipe.peakLearningRate, warmupSteps: recipe.schedule.warmupSteps,
        finalRatio: recipe.schedule.finalRatio, totalSteps: steps),
      seed: UInt64(recipe.seed), shuffles: recipe.data.shuffle,
      validateEvery: recipe.run.validateEvery, saveEvery: recipe.run.saveEvery,
      patience: recipe.run.earlyStopping)
  }
}

extension PreparedRun {
  /// What people should know before the first step.
  var warnings: [String] {
    let (length, context) = (settings.shape.tokens, weights.configuration.contextLength)
    let tooLong =
      length > context
      ? [
        "data.sequence_length is \(length), but the model was made for \(context) tokens; "
          + "later positions are new to it"
      ] : []
    return corpus.warnings + tooLong
  }
}

extension Recipe {
  /// The method's own rate, the optimizer's, or what "auto" stands for until it is calibrated: the
  /// best rates of our selection study for AdamW, ten times as much for SGD.
  var peakLearningRate: Double {
    if case .fixed(let rate) = method.learningRate ?? optimizer.learningRate { return rate }
    let rate =
      switch method.method {
      case .full: 3e-4
      case .sparse, .lastLayers: 1e-3
      case .norms: 1e-2
      case .lora: 3e-3
      }
    return optimizer.type == .sgd ? 10 * rate : rate
  }
}
