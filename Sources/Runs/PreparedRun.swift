import Adaptations
import Checkpoints
import Compilation
import Datasets
import Execution
import Programs
import Recipes
import Records
import Reports
import Storage
import Tensors
import Tokenizers
import Training
import Weights

/// A recipe's inputs made ready: model mapped, text tokenized, threads started. What trains, and at
/// which rate, is not decided yet.
///
/// The path from a recipe to events starts here: recipe → `PreparedRun` → `MethodDecision` →
/// `PlannedRun` → `TrainingRun` → `Trainer` → events.
public struct PreparedRun {
  public let recipe: Recipe
  /// The checkpoint with the recipe's starting deltas merged into it.
  public let weights: ModelWeights
  /// The recipe's starting deltas, each with a scale of 1.
  let startingDeltas: [(delta: Delta, scale: Double)]
  public let tokenizer: any Tokenizer
  public let corpus: Corpus
  /// The text of the recipe's guard, to be scored as a whole; nil without a guard.
  public let guardCorpus: Corpus?
  /// How chats are written.
  public let chats: ChatChoice
  public let kernels: Kernels
  public let pool: WorkerPool
  /// What matmuls multiply, and how that was decided.
  public let precision: PrecisionDecision
  public let compiler: StepCompiler
  /// What the run goes on from; nil for a new run.
  let saved: SnapshotStore.Saved?
  /// What has changed since then, where that was accepted; nil for a new run.
  let changes: ResumeChanges?
  /// Hashes of the texts.
  let texts: TextHashes
  /// Vocabulary rows in the order of their pieces' frequency in the training text.
  public let headRows: [Int32]
  /// The folder of token ids and, temporarily, of cached activations.
  public let cacheFolder: String
  /// Floating-point operations of full fine-tuning per token.
  public let fullFlopsPerToken: Double
  /// What the process holds before anything is planned, rounded up, in bytes.
  public let runtimeBytes: Int
  /// Called between steps, probes and generated tokens; true saves and ends the run.
  public let shouldStop: () -> Bool

  /// - Parameters:
  ///   - path: the recipe's file.
  ///   - overrides: `key=value` each.
  ///   - cache: the folder for token ids; nil for one in the run's folder.
  ///   - resuming: take what was measured from the run's last state.
  ///   - acceptsChanges: resume even if settings or texts have changed since.
  ///   - shouldStop: called between steps, probes and generated tokens; true saves and ends the
  ///     run.
  /// - Throws: what reading recipe, model and text throws; `RecipeError` for a recipe that does not
  ///   fit the model, `TrainingError.vocabulary` for a tokenizer that does not.
  public init(
    recipe path: String, overrides: [String] = [], cache: String? = nil, resuming: Bool = false,
    acceptsChanges: Bool = false,
    shouldStop: @escaping () -> Bool = { false }
  ) throws {
    recipe = try Recipe.load(path: path, overrides: overrides)
    self.shouldStop = shouldStop
    let checkpoint = try Checkpoint.open(recipe.model.absolute)
    startingDeltas = try StartingDeltas.open(recipe.deltas.map(\.absolute))
    weights = try ModelWeights(checkpoint, deltas: startingDeltas)
    let configuration = weights.configuration
    let problems = recipe.problems(
      names: configuration.parameters.map(\.name), layers: configuration.layers)
    guard problems.isEmpty else { throw RecipeError.problems(file: path, problems) }
    tokenizer = try Self.tokenizer(of: checkpoint)
    cacheFolder = cache ?? recipe.output.absolute + "/cache"
    chats = try ChatChoice(recipe.data.chatTemplate, of: checkpoint, tokenizer: tokenizer)
    corpus = try Self.corpus(recipe, path, chats, tokenizer: tokenizer, cache: cacheFolder)
    guardCorpus = try Self.guardCorpus(
      recipe, path, chats, tokenizer: tokenizer, cache: cacheFolder)
    if guardCorpus != nil, corpus.validation == nil { throw RunsError.guardWithoutValidation }
    texts = TextHashes(
      training: corpus.train.contentHash(), validation: corpus.validation?.contentHash(),
      lossGuard: guardCorpus?.train.contentHash())
    saved = resuming ? try Self.saved(of: recipe) : nil
    let (recipe, texts) = (recipe, texts)
    changes = saved.map { ResumeChanges($0, recipe: recipe, texts: texts) }
    if let changes, !changes.texts.isEmpty, !acceptsChanges {
      throw TrainingError.resumeChanges(path: recipe.output.absolute, changes.texts)
    }
    headRows = corpus.train.rowsByFrequency(vocabularySize: configuration.vocabularySize)
    corpus.train.releasePages()
    pool = try WorkerPool(threads: recipe.run.threads)
    kernels = try Self.kernels(recipe.run, pool)
    let weights = weights
    let inputs = PrecisionDecision.Inputs(
      recipe: recipe, weights: weights, text: corpus.train, textHash: texts.training,
      pool: pool, kernels: kernels,
      cacheFolder: cacheFolder, shouldStop: shouldStop)
    precision =
      try saved.map { PrecisionDecision(inputs, resuming: $0.decision) }
      ?? PrecisionDecision(inputs)
    var settled = recipe
    if saved?.hasRoundedMoments == false { settled.optimizer.keepFloatMoments() }
    compiler = StepCompiler(
      configuration,
      settings: TrainingSettings(settled, text: corpus.train, precision: precision.precision),
      elementType: { weights.elementType(of: $0) })
    // A choice under a memory budget must not depend on whether the text was tokenized just now or
    // read from the cache.
    tokenizer.releaseCaches()
    ProcessMemory.trim()
    let runtime = ProcessMemory.residentBytes + MemoryForecast.growth
    runtimeBytes = (runtime / Self.runtimeQuantum + 1) * Self.runtimeQuantum
    fullFlopsPerToken = try compiler.compile(FullAdaptation()).flopsPerToken
  }

  private static let runtimeQuantum = 2 << 20

  /// The run's settings; the peak of its schedule is 0 until the rate is decided.
  public var settings: TrainingSettings { compiler.settings }

  /// How rows are written and packed, to show before the first step; nil for plain text.
  public var rowLine: String? {
    guard let report = corpus.train.packingReport else { return nil }
    return chats.line(of: report)
  }

  /// What training starts from, where that is not the base alone.
  public var startLine: String? {
    guard let first = startingDeltas.first else { return nil }
    let count = startingDeltas.count
    return "starting from \(count == 1 ? "'\(first.delta.path)'" : "\(count) deltas"), "
      + "merged in \(Format.bytes(weights.mergedBytes))"
  }

  /// How much text trains, and how much is held out.
  public var textAmounts: TextAmounts {
    corpus.amounts(sequenceLength: recipe.data.sequenceLength)
  }

  /// What people are told of the text before anything is measured: how much of it trains, and every
  /// warning.
  public var textLines: [String] {
    [startLine, Format.text(textAmounts), rowLine].compactMap(\.self)
      + warnings.map { "warning: " + $0 }
  }

  /// Warnings to show before the first step.
  public var warnings: [String] {
    let (length, context) = (settings.shape.tokens, weights.configuration.contextLength)
    let tooLong =
      length > context
      ? [
        "data.sequence_length is \(length), but the model was made for \(context) tokens; "
          + "later positions are new to it"
      ] : []
    let cores = WorkerPool.cores
    let tooMany =
      pool.threads > cores
      ? [
        "run.threads is \(pool.threads), but this process may use \(cores) cores; more threads than "
          + "cores wait for each other and are slower"
      ] : []
    let guardWarnings = (guardCorpus?.warnings ?? []).map { "guard.data: " + $0 }
    return corpus.warnings + guardWarnings + tooLong + tooMany + [shortfall].compactMap(\.self)
      + (changes?.texts ?? [])
  }
}

extension PreparedRun {
  /// What to say where steps, which are all of one size, take much less of the epochs' windows than
  /// all, or more; nil where they come near it.
  private var shortfall: String? {
    guard case .epochs(let epochs) = recipe.run.length else { return nil }
    let shape = settings.shape
    let windows = corpus.train.windowCount(sequenceLength: shape.tokens, includePartial: false)
    let perStep = shape.windowsPerStep
    let (wanted, taken) = (epochs * windows, settings.steps * perStep)
    guard Double(abs(wanted - taken)) > 0.05 * Double(wanted) else { return nil }
    let share = formatted(Double(taken) / Double(windows), decimals: 2)
    return "\(settings.steps) steps of \(perStep) windows are \(share) epochs of the \(windows) "
      + "windows, not \(epochs): a lower run.batch_size or run.accumulation comes closer"
  }

  /// Whether only their owner may read some of the texts: so it is to be with what is made of them.
  public var hasPrivateText: Bool { corpus.isPrivate || guardCorpus?.isPrivate == true }

  private static func tokenizer(of checkpoint: Checkpoint) throws -> any Tokenizer {
    let tokenizer = try checkpoint.loadTokenizer()
    let rows = checkpoint.configuration.vocabularySize
    guard tokenizer.vocabularySize <= rows else {
      throw TrainingError.vocabulary(pieces: tokenizer.vocabularySize, rows: rows)
    }
    return tokenizer
  }

  private static func corpus(
    _ recipe: Recipe, _ path: String, _ chats: ChatChoice, tokenizer: any Tokenizer,
    cache: String
  ) throws -> Corpus {
    let validation: ValidationSource =
      switch recipe.data.validation {
      case .fraction(let share) where share > 0: .fraction(share)
      case .fraction: .none
      case .files(let files): .files(files.map(\.absolute))
      }
    return try Folder.creating(cache, isPrivate: true) {
      try Corpus.prepare(
        train: recipe.data.train.map(\.absolute), validation: validation,
        sequenceLength: recipe.data.sequenceLength, separator: recipe.data.documentSeparator,
        appendEOS: recipe.data.appendEOS, rows: RowEncoding(recipe.data.trainOn, chats),
        longRows: LongRows(recipe.data.longRows), excluding: excluded(recipe, path, cache: cache),
        tokenizer: tokenizer, cacheFolder: cache, keepsCache: recipe.run.keepCache)
    }
  }

  private static func guardCorpus(
    _ recipe: Recipe, _ path: String, _ chats: ChatChoice, tokenizer: any Tokenizer,
    cache: String
  ) throws -> Corpus? {
    guard let guarded = recipe.lossGuard else { return nil }
    return try Corpus.forScoring(
      guarded.data.map(\.absolute), sequenceLength: recipe.data.sequenceLength,
      separator: recipe.data.documentSeparator, rows: RowEncoding(recipe.data.trainOn, chats),
      excluding: excluded(recipe, path, cache: cache), tokenizer: tokenizer)
  }

  /// What is never training text: the recipe, and what runs of it write, also where that folder is
  /// itself the one that is trained on.
  private static func excluded(_ recipe: Recipe, _ path: String, cache: String) -> [ExcludedPath] {
    let output = recipe.output.absolute
    let written = RunContents.names + ["cache"]
    return [
      ExcludedPath(path, "it is the recipe"),
      ExcludedPath(recipe.model.absolute, "it is the model"),
      ExcludedPath(output, "it is the run's output folder"),
      ExcludedPath(cache, "it is the folder of token ids"),
    ] + recipe.deltas.map { ExcludedPath($0.absolute, "training starts from it") }
      + written.map { ExcludedPath("\(output)/\($0)", "a run writes it") }
  }

  /// What the run in the recipe's folder goes on from.
  ///
  /// - Throws: `TrainingError.nothingToResume` without a last state.
  private static func saved(of recipe: Recipe) throws(TrainingError) -> SnapshotStore.Saved {
    try SnapshotStore(folder: recipe.output.absolute, method: .null, recipe: .null).saved()
  }

  private static func kernels(_ run: RunRecipe, _ pool: WorkerPool) throws -> Kernels {
    var kernels = try Kernels.forThisMachine()
    try kernels.warmUp(pool)
    kernels.tune(run.products, threads: run.threads)
    return kernels
  }
}

extension Kernels {
  /// Sets a tuner that chooses the variants of matmuls as the recipe asks. With plain-loop kernels,
  /// of which there is only one variant, nothing is chosen.
  mutating func tune(_ choice: ProductsChoice, threads: Int) {
    guard instructionSet != "reference" else { return }
    tuner = ProductTuner(choice, self, threads: threads)
    if choice == .tiles { leaveOutLibrary() }
  }
}
