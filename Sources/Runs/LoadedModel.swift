import Checkpoints
import Execution
import Tokenizers
import Weights

/// A checkpoint with deltas applied, its tokenizer, and what computes with them.
public struct LoadedModel {
  public let weights: ModelWeights
  public let tokenizer: any Tokenizer
  public let pool: WorkerPool
  public let kernels: Kernels

  /// - Parameters:
  ///   - path: the checkpoint.
  ///   - deltas: paths of deltas to apply whole.
  /// - Throws: what opening the files throws; `ExecutionError` for threads or kernels that this
  ///   machine does not have.
  public init(_ path: String, deltas: [String] = [], threads: Int) throws {
    let checkpoint = try Checkpoint.open(path)
    let deltas = try deltas.map { (delta: try Delta.open($0), scale: 1.0) }
    weights = try ModelWeights(checkpoint, deltas: deltas)
    tokenizer = try TokenizerKind.load(
      checkpoint.tokenizerKind, checkpoint.tokenizerBytes)
    pool = try WorkerPool(threads: threads)
    kernels = try Kernels.forThisMachine()
  }
}
