import Checkpoints
import Compilation
import Execution
import Recipes
import Tokenizers
import Weights

/// A checkpoint with deltas applied, its tokenizer, and what computes with them. Low-rank factors stay
/// beside matrices that the checkpoint stores in less than f32, so that these need not be widened.
public struct LoadedModel {
  public let weights: ModelWeights
  public let tokenizer: any Tokenizer
  public let pool: WorkerPool
  public let kernels: Kernels
  /// What matmuls multiply.
  public let precision: Precision

  /// - Parameters:
  ///   - path: the checkpoint.
  ///   - deltas: paths of deltas to apply whole.
  ///   - precision: as `run.precision`; f32 is computed by OpenBLAS, whatever is remembered of this
  ///     machine, so that its figures are the same in every process.
  /// - Throws: what opening the files throws; `ExecutionError` for threads or kernels that this
  ///   machine does not have.
  public init(
    _ path: String, deltas: [String] = [], threads: Int, precision: PrecisionChoice = .auto
  ) throws {
    let checkpoint = try Checkpoint.open(path)
    let deltas = try deltas.map { (delta: try Delta.open($0), scale: 1.0) }
    weights = try ModelWeights(checkpoint, deltas: deltas, keepsFactors: true)
    tokenizer = try TokenizerKind.load(
      checkpoint.tokenizerKind, checkpoint.tokenizerBytes)
    pool = try WorkerPool(threads: threads)
    var kernels = try Kernels.forThisMachine()
    if precision != .f32 { kernels.tune(.auto, threads: threads) }
    self.kernels = kernels
    self.precision = kernels.precision(precision, weights)
  }

  /// A run's model with a delta, computed with as `generate` does with the recipe's precision.
  init(_ run: PreparedRun, delta: String?) throws {
    let deltas = try delta.map { [(delta: try Delta.open($0), scale: 1.0)] } ?? []
    weights = try ModelWeights(run.weights.checkpoint, deltas: deltas, keepsFactors: true)
    (tokenizer, pool) = (run.tokenizer, run.pool)
    let choice = run.recipe.run.precision
    kernels = choice == .f32 ? run.kernels.untuned : run.kernels
    precision = kernels.precision(choice, weights)
  }
}
