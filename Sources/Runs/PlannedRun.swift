import Adaptations
import Execution
import Recipes
import Records
import Storage
import Training

/// A run that is settled: its step compiled, its memory known.
public struct PlannedRun {
  public let prepared: PreparedRun
  public let decision: MethodDecision
  public let step: CompiledStep
  public let settings: TrainingSettings
  public let forecast: MemoryForecast
  /// What is kept of the frozen blocks' outputs.
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
    // What deciding has read and freed is not the run's.
    prepared.weights.checkpoint.releasePages()
    prepared.corpus.train.releasePages()
    ProcessMemory.trim()
    step = try prepared.compile(decision.adaptation, keepsStages: keepsStages)
    ProcessMemory.trim()
    forecast = MemoryForecast(
      step, threads: prepared.pool.threads, runtimeBytes: ProcessMemory.residentBytes,
      measuringBytes: decision.measuringBytes)
    prefixCaches = PrefixCachePlan(
      step, settings: settings, text: prepared.corpus.train,
      validationText: prepared.corpus.validation, byteLimit: prepared.prefixCacheLimit)
  }

  public var recipe: Recipe { prepared.recipe }
  public var flopsPerToken: Double { step.flopsPerToken }
  public var fullFlopsPerToken: Double { prepared.fullFlopsPerToken }

  /// A session of the run's step, before its first step.
  public func makeSession() throws -> Session {
    try Session(
      step, weights: prepared.weights, pool: prepared.pool, kernels: prepared.kernels,
      seed: settings.seed)
  }

  /// The store with how the step's products are computed in what it keeps, so that a resumed run
  /// computes them that way, whatever has become of the machine's memory of it.
  func remembering(_ tuner: ProductTuner?, in store: SnapshotStore) -> SnapshotStore {
    guard let tuner else { return store }
    var store = store
    store.decision?.products = tuner.choices(for: step.programs).map(\.record)
    return store
  }

  /// Where the run's snapshots go.
  public var store: SnapshotStore {
    prepared.store(
      in: recipe.output.absolute, scheme: decision.adaptation.trainedShares,
      rate: decision.learningRate)
  }
}

extension PreparedRun {
  /// Bytes that runs have been seen to take beyond their forecast, rounded up: a limit is one of the
  /// real peak.
  private static let forecastMargin = 4 << 20

  /// The run's step, within the recipe's limit of memory if there is one.
  fileprivate func compile(
    _ adaptation: some Adaptation, keepsStages: Bool
  ) throws -> CompiledStep {
    guard let limit = recipe.run.memoryBytes else {
      return try compiler.compile(adaptation, keepsStages: keepsStages)
    }
    let threads = pool.threads
    let runtime = max(runtimeBytes, ProcessMemory.residentBytes) + Self.forecastMargin
    if let step = try compiler.compile(
      adaptation, within: limit - runtime, threads: threads, keepsStages: keepsStages)
    {
      return step
    }
    let least = try compiler.compile(adaptation, recomputed: .max)
    throw TrainingError.memoryLimit(
      needed: runtime + MemoryForecast.bytes(of: least, threads: threads), limit: limit)
  }

  /// A store whose snapshots belong to this recipe and method.
  ///
  /// - Parameters:
  ///   - scheme: what trains; nil where that is no sparse method's choice.
  ///   - rate: the learning rate.
  func store(in folder: String, scheme: [String: Double]?, rate: Double) -> SnapshotStore {
    let json = recipe.resolvedJSON
    return SnapshotStore(
      folder: folder, method: json["method"] ?? .null, recipe: json,
      decision: RunDecision(scheme: scheme, learningRate: rate))
  }
}
