import Adaptations
import Datasets
import Execution
import Models
import Records
import Tensors
import Training
import Weights

/// The progress of an analysis.
public struct AnalysisProgress: Sendable {
  /// The current part: "gradients", "learning rate", "contributions" or "candidates".
  public var stage: String
  /// The last probe's label.
  public var label: String
  /// Probes done, and probes planned in total.
  public var done: Int
  public var total: Int
  /// Held-out loss of the last probe.
  public var loss: Double?
  public var etaSeconds: Double?
}

/// The inputs of an analysis.
public struct AnalysisContext {
  /// The run's settings; the peak of its schedule is not read.
  public var compiler: StepCompiler
  public var weights: ModelWeights
  public var text: TokenStream
  public var validation: TokenStream?
  public var pool: WorkerPool
  public var kernels: Kernels
  public var budget: SchemeBudget
  /// Costs of schemes, and the tensors that may be chosen.
  public var costs: SchemeCosts
  public var space: SchemeSpace
  /// Other methods that take part in the choice, within the budget; the first is the one that
  /// usually does best.
  public var rivals: [Candidate]
  /// How many sets drawn at random take part, as a control.
  public var randomDraws: Int
  /// Bytes that the process holds apart from weights and arenas.
  public var runtimeBytes: Int
  /// Vocabulary rows by frequency in the text, for shares of the head.
  public var headRows: [Int32]
  /// The folder for activations that probes share, and their limit in bytes.
  public var cacheFolder: String
  public var cacheBytes: Int
  /// The store in which a candidate's state is saved for the run that continues from it.
  public var store: (_ index: Int, _ candidate: Candidate, _ rate: Double) -> SnapshotStore
  /// Removes the state of an eliminated candidate.
  public var discard: (_ index: Int) -> Void

  public init(
    compiler: StepCompiler, weights: ModelWeights, text: TokenStream, validation: TokenStream?,
    pool: WorkerPool, kernels: Kernels, budget: SchemeBudget, costs: SchemeCosts,
    space: SchemeSpace, rivals: [Candidate] = [],
    randomDraws: Int = Candidates.usualDraws, runtimeBytes: Int, headRows: [Int32],
    cacheFolder: String, cacheBytes: Int,
    store: @escaping (_ index: Int, _ candidate: Candidate, _ rate: Double) -> SnapshotStore,
    discard: @escaping (_ index: Int) -> Void
  ) {
    self.compiler = compiler
    self.weights = weights
    self.text = text
    self.validation = validation
    self.pool = pool
    self.kernels = kernels
    self.budget = budget
    self.costs = costs
    self.space = space
    self.rivals = rivals
    self.randomDraws = randomDraws
    self.runtimeBytes = runtimeBytes
    self.headRows = headRows
    self.cacheFolder = cacheFolder
    self.cacheBytes = cacheBytes
    self.store = store
    self.discard = discard
  }

  /// Planned peak of a scheme, in bytes.
  func bytes(_ scheme: [String: Double]) throws(TrainingError) -> Int {
    MemoryForecast(
      try compiler.compile(adaptation(scheme)), threads: pool.threads, runtimeBytes: runtimeBytes
    ).total
  }

  func adaptation(_ candidate: Candidate) -> any Adaptation {
    candidate.method?.adaptation ?? adaptation(candidate.scheme)
  }

  func adaptation(_ scheme: [String: Double]) -> SparseAdaptation {
    SparseAdaptation(scheme: scheme, headRows: headRows)
  }
}
