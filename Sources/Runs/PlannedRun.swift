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
    ProcessMemory.trim()
    step = try prepared.compile(decision.adaptation, keepsStages: keepsStages)
    ProcessMemory.trim()
    forecast = MemoryForecast(
      step, threads: prepared.pool.threads,
      runtimeBytes: ProcessMemory.residentBytes + MemoryForecast.growth,
      measuringBytes: decision.measuringBytes)
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
  private static let forecastMargin = 2 << 20

  /// The run's step, within the recipe's memory limit if there is one.
  fileprivate func compile(
    _ adaptation: some Adaptation, keepsStages: Bool
  ) throws -> CompiledStep {
    guard let limit = recipe.run.memoryBytes else {
      return try compiler.compile(adaptation, keepsStages: keepsStages)
    }
    let threads = pool.threads
    let now = ProcessMemory.residentBytes + MemoryForecast.growth
    let runtime = max(runtimeBytes, now) + Self.forecastMargin
    if let step = try compiler.compile(
      adaptation, within: limit - runtime, threads: threads, keepsStages: keepsStages)
    {
      return step
    }
    let least = try compiler.compile(adaptation, recomputed: .max)
    throw TrainingError.memoryLimit(
      needed: runtime + MemoryForecast.bytes(of: least, threads: threads), limit: limit)
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
    store.acceptsChanges = changes?.texts.isEmpty == false
    return store
  }
}
