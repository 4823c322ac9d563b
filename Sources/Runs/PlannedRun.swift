import Adaptations
import Execution
import Recipes
import Records
import Storage
import Training

/// A run before its start, with its step compiled and its memory forecast.
public struct PlannedRun {
  public let prepared: PreparedRun
  public let decision: MethodDecision
  public let step: CompiledStep
  public let settings: TrainingSettings
  public let forecast: MemoryForecast
  /// Which of the frozen blocks' outputs are cached.
  public let prefixCaches: PrefixCachePlan

  /// - Parameter keepsStages: keep the compiler's stages as text.
  /// - Throws: `TrainingError` if the method does not fit the model or a limit of memory.
  public init(
    _ prepared: PreparedRun, _ decision: MethodDecision, keepsStages: Bool = false
  ) throws {
    self.prepared = prepared
    self.decision = decision
    var settings = prepared.settings
    settings.schedule.peak = decision.learningRate
    self.settings = settings
    // Memory that deciding has used and freed does not count as the run's.
    prepared.weights.checkpoint.releasePages()
    prepared.corpus.train.releasePages()
    (step, forecast) = try prepared.planned(decision, keepsStages: keepsStages)
    prefixCaches = PrefixCachePlan(
      step, settings: settings, text: prepared.corpus.train,
      validationText: prepared.corpus.validation, byteLimit: prepared.prefixCacheLimit)
  }

  public var recipe: Recipe { prepared.recipe }
  public var flopsPerToken: Double { step.flopsPerToken }
  public var fullFlopsPerToken: Double { prepared.fullFlopsPerToken }

  /// A new session of the run's step.
  public func makeSession() throws -> Session {
    try Session(
      step, weights: prepared.weights, pool: prepared.pool, kernels: prepared.kernels,
      seed: settings.seed)
  }

  /// The store with the variants of the step's matmuls added to what it saves, so that a resumed
  /// run uses the same ones, even if `products.json` has changed.
  func remembering(_ tuner: ProductTuner?, in store: SnapshotStore) -> SnapshotStore {
    guard let tuner else { return store }
    var store = store
    store.decision?.products = tuner.choices(for: step.programs).map(\.record)
    return store
  }

  /// Where the run's snapshots go.
  public var store: SnapshotStore {
    prepared.store(in: recipe.output.absolute, decision.record)
  }
}

extension PreparedRun {
  /// Margin for the bytes that runs were seen to take beyond their forecast, rounded up: the
  /// recipe's limit applies to the real peak.
  static let forecastMargin = 2 << 20
  /// How often a step is compiled for a limit: what compiling it leaves in memory is known behind it.
  private static let attempts = 4
  /// In which steps that is made up for, so that a run that goes on has the same step.
  private static let excessQuantum = 1 << 20

  /// The step of a decision, within the recipe's memory limit if there is one, and its forecast.
  fileprivate func planned(
    _ decision: MethodDecision, keepsStages: Bool
  ) throws -> (step: CompiledStep, forecast: MemoryForecast) {
    var (excess, attempt) = (0, 0)
    while true {
      attempt += 1
      ProcessMemory.trim()
      let step = try compile(decision.adaptation, reserving: excess, keepsStages: keepsStages)
      try kernels.takeBuffers(for: step.programs, pool)
      ProcessMemory.trim()
      let forecast = MemoryForecast(
        step, threads: pool.threads,
        runtimeBytes: ProcessMemory.residentBytes + MemoryForecast.growth
          + (recipe.privacy == nil ? 0 : PrivateGradient.bytes(of: step)),
        measuringBytes: decision.measuringBytes)
      // Half of the margin is for what is measured a little differently each time.
      let most = forecast.total - forecast.measuring + Self.forecastMargin / 2
      guard let limit = recipe.run.memoryBytes, most > limit, attempt < Self.attempts
      else { return (step, forecast) }
      excess += ((most - limit) / Self.excessQuantum + 1) * Self.excessQuantum
    }
  }

  /// The step within the recipe's memory limit, if there is one.
  ///
  /// - Parameter excess: bytes below the limit that are to stay free.
  private func compile(
    _ adaptation: some Adaptation, reserving excess: Int, keepsStages: Bool
  ) throws -> CompiledStep {
    guard let limit = recipe.run.memoryBytes else {
      return try compiler.compile(adaptation, keepsStages: keepsStages)
    }
    let threads = pool.threads
    let now = ProcessMemory.residentBytes + MemoryForecast.growth
    let runtime = max(runtimeBytes, now) + Self.forecastMargin + excess
    if let step = try compiler.compile(
      adaptation, within: limit - runtime, threads: threads, keepsStages: keepsStages)
    {
      return step
    }
    let least = try compiler.compile(adaptation, recomputed: .max)
    throw TrainingError.memoryLimit(
      needed: runtime + MemoryForecast.bytes(of: least, threads: threads)
        + MemoryForecast.compiledBytes(of: least), limit: limit)
  }

  /// A store whose snapshots belong to this recipe and method, and to the run's precision.
  ///
  /// - Parameter decision: what trains and at which rate; nil for a store that is only read.
  func store(in folder: String, _ decision: RunDecision? = nil) -> SnapshotStore {
    let json = recipe.resolvedJSON
    var decision = decision
    decision?.precision = precision.record
    var store = SnapshotStore(
      folder: folder, method: json["method"] ?? .null, recipe: json, decision: decision,
      texts: texts)
    // What is accounted of a private run holds for one size of text and of steps.
    store.acceptsChanges = changes?.texts.isEmpty == false && recipe.privacy == nil
    return store
  }
}
