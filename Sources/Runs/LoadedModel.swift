import Chats
import Checkpoints
import Compilation
import Execution
import Recipes
import Tokenizers
import Weights

/// A checkpoint with deltas applied, its tokenizer, threads and kernels. Low-rank factors are not
/// merged into matrices that the checkpoint stores in a type narrower than f32, so these need not
/// be widened.
public struct LoadedModel {
  public let weights: ModelWeights
  public let tokenizer: any Tokenizer
  public let pool: WorkerPool
  public let kernels: Kernels
  /// The type of the matmuls' operands.
  public let precision: ProductPrecision

  /// - Parameters:
  ///   - path: the checkpoint.
  ///   - deltas: paths of deltas.
  ///   - scale: what each delta is multiplied by.
  ///   - precision: as `run.precision`; f32 is always computed by OpenBLAS, regardless of the
  ///     variants remembered for this machine, so that results are the same in every process.
  /// - Throws: what opening the files throws; `ExecutionError` for threads or kernels that this
  ///   machine does not have.
  public init(
    _ path: String, deltas: [String] = [], scale: Double = 1, threads: Int,
    precision: PrecisionChoice = .auto
  ) throws {
    let checkpoint = try Checkpoint.open(path)
    let deltas = try deltas.map { (delta: try Delta.open($0), scale: scale) }
    try DeltaMerge.checkRepeats(deltas.map(\.delta))
    weights = try ModelWeights(checkpoint, deltas: deltas, keepsFactors: true)
    tokenizer = try checkpoint.loadTokenizer()
    pool = try WorkerPool(threads: threads)
    var kernels = try Kernels.forThisMachine()
    if precision != .f32 { kernels.tune(.auto, threads: threads) }
    self.kernels = kernels
    self.precision = ProductPrecision(kernels.precision(precision))
  }

  /// How the model's chats are written.
  /// - Parameter name: a template's name, or nil for the model's own.
  /// - Throws: `ChatError` where there is no such template.
  public func chats(_ name: String?) throws(ChatError) -> ChatChoice {
    try ChatChoice(name, of: weights.checkpoint, tokenizer: tokenizer)
  }

  /// A run's model, or its base with a delta that the run wrote, computed in the precision that
  /// `generate` uses for the recipe's.
  init(_ run: PreparedRun, delta: String?) throws {
    let deltas =
      try delta.map { [(delta: try Delta.open($0), scale: 1.0)] } ?? run.startingDeltas
    weights = try ModelWeights(run.weights.checkpoint, deltas: deltas, keepsFactors: true)
    (tokenizer, pool) = (run.tokenizer, run.pool)
    let choice = run.recipe.run.precision
    kernels = choice == .f32 ? run.kernels.untuned : run.kernels
    precision = ProductPrecision(kernels.precision(choice))
  }
}
