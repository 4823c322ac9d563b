import Adaptations
import Checkpoints
import Compilation
import Contributions
import Datasets
import Execution
import Operations
import Recipes
import Storage
import Tensors
import Tokenizers
import Training
import Weights

/// A recipe's inputs made ready: model mapped, text tokenized, threads started. What trains, and at
/// which rate, is still open.
///
/// One batch's way starts here: recipe → corpus → `MethodDecision` → `PlannedRun` → `Trainer` →
/// events.
struct PreparedRun {
  let recipe: Recipe
  let weights: ModelWeights
  let tokenizer: Tokenizer
  let corpus: Corpus
  let kernels: Kernels
  let pool: WorkerPool
  let compiler: StepCompiler
  /// Rows of the vocabulary by how often their pieces occur in the training text.
  let headRows: [Int32]
  /// Token ids, and activations while they are wanted.
  let cacheFolder: String
  /// Arithmetic of full fine-tuning, per token.
  let fullFlopsPerToken: Double
  /// What the process holds before anything is planned, rounded up.
  let runtimeBytes: Int

  /// - Parameter cache: the folder for token ids; nil for one in the run's folder.
  init(recipe path: String, overrides: [String], cache: String? = nil) throws {
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
    cacheFolder = cache ?? recipe.output.absolute + "/cache"
    corpus = try Self.corpus(recipe, tokenizer: tokenizer, cache: cacheFolder)
    headRows = corpus.train.rowsByFrequency(vocabularySize: configuration.vocabularySize)
    corpus.train.releasePages()
    var kernels = try Kernels.forThisMachine()
    pool = try WorkerPool(threads: recipe.run.threads)
    try kernels.warmUp(pool)
    // Plain loops compute a product in one way.
    if kernels.instructionSet != "reference" {
      kernels.tuner = ProductTuner(recipe.run.products, kernels, threads: recipe.run.threads)
    }
    self.kernels = kernels
    let weights = weights
    compiler = StepCompiler(
      configuration,
      settings: Self.settings(
        recipe, corpus: corpus, precision: kernels.precision(recipe.run.precision, weights)),
      elementType: { weights.elementType(of: $0) })
    // Whether the text was tokenized just now or found in the cache is not to matter for a choice
    // under a memory budget.
    ProcessMemory.trim()
    runtimeBytes = (ProcessMemory.residentBytes / Self.runtimeQuantum + 1) * Self.runtimeQuantum
    fullFlopsPerToken = try compiler.compile(FullAdaptation()).flopsPerToken
  }

  private static let runtimeQuantum = 2 << 20

  /// The run's settings; the peak of its schedule is 0 until the rate is decided.
  var settings: TrainingSettings { compiler.settings }

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

  private static func settings(
    _ recipe: Recipe, corpus: Corpus, precision: Precision
  ) -> TrainingSettings {
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
            epsilon: recipe.optimizer.epsilon, weightDecay: recipe.optimizer.weightDecay,
            stateType: MomentType(recipe.optimizer.state),
            parameterType: recipe.optimizer.parameters == .bf16 ? .bf16 : .f32))
      case .sgd:
        .sgd(
          SGD(momentum: recipe.optimizer.momentum, weightDecay: recipe.optimizer.weightDecay))
      }
    let curve = LearningRateSchedule.Curve(rawValue: recipe.schedule.type.rawValue) ?? .cosine
    return TrainingSettings(
      steps: steps, shape: shape, optimizer: optimizer, precision: precision,
      clipNorm: recipe.optimizer.clipNorm,
      schedule: LearningRateSchedule(
        curve: curve, peak: 0, warmupSteps: recipe.schedule.warmupSteps,
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

extension Checkpoint {
  fileprivate var isQuantised: Bool { tensors.contains { $0.elementType == .int8 } }
}

extension Kernels {
  /// What products multiply for a recipe's choice.
  fileprivate func precision(_ choice: PrecisionChoice, _ weights: ModelWeights) -> Precision {
    switch choice {
    case .auto: multipliesNarrow ? (weights.checkpoint.isQuantised ? .int8 : .bf16) : .f32
    case .f32: .f32
    case .bf16: .bf16
    case .int8: .int8
    }
  }
}

extension MomentType {
  fileprivate init(_ state: OptimizerRecipe.StateType) {
    switch state {
    case .f32: self = .f32
    case .bf16: self = .bf16
    case .int8: self = .int8
    case .int4: self = .int4
    }
  }
}
