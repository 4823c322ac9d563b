import Checkpoints
import Compilation
import Execution
import Operations
import Programs
import Tensors
import Weights

/// A compiled step bound to a checkpoint, an arena and threads: it trains one micro-batch, updates,
/// and scores. It knows neither files of text nor schedules.
public final class Session {
  public let step: CompiledStep
  public let weights: ModelWeights
  package let training: Executor
  private let validation: Executor
  private let arena: Arena

  /// Allocates the arena, loads trained tensors, releases their pages of the checkpoint and maps
  /// those of the frozen ones.
  ///
  /// - Parameter seed: of the initial low-rank factors.
  public init(
    _ step: CompiledStep, weights: ModelWeights, pool: WorkerPool, kernels: Kernels,
    seed: UInt64
  ) throws(TrainingError) {
    self.step = step
    self.weights = weights
    (arena, training, validation) = try rethrow(TrainingError.execution) {
      () throws(ExecutionError) in
      let arena = try Arena(byteCount: step.arenaBytes(threads: pool.threads))
      func executor(_ compiled: CompiledProgram) throws(ExecutionError) -> Executor {
        try Executor(compiled.program, arena: arena, pool: pool, kernels: kernels) { buffer in
          weights.address(of: buffer)
        }
      }
      return (arena, try executor(step.training), try executor(step.validation))
    }
    training.initialise(seed: seed) { name, rows, target in
      weights.readRows(of: name, rows, into: target)
    }
    settleResidentPages()
  }

  /// Leaves the frozen weights resident and nothing else of the checkpoint: trained tensors are
  /// copies in the arena. Mapping a page brings in its neighbours, so these go last.
  private func settleResidentPages() {
    weights.checkpoint.releasePages()
    let buffers = step.training.program.buffers
    for buffer in buffers where buffer.location == .external { weights.makeResident(buffer) }
    for buffer in buffers where buffer.kind == .parameter {
      guard case .checkpoint(let name, let rows) = buffer.contents else { continue }
      weights.checkpoint.tensor(name)?.releasePages(ofRows: rows)
    }
  }

  /// Bytes of the arena: allocated at once, never grown.
  public var arenaBytes: Int { arena.byteCount }

  /// The checkpoint that a delta of this session is bound to.
  public var checkpoint: Checkpoint { weights.checkpoint }

  /// Where the next micro-batch goes: token ids, targets and document starts, [windows · tokens].
  public var batch: BatchMemory { memory(of: training) }
  /// The same for scoring.
  public var validationBatch: BatchMemory { memory(of: validation) }

  private func memory(of executor: Executor) -> BatchMemory {
    func input(_ name: String) -> UnsafeMutableBufferPointer<Int32> {
      executor.elements(named: name, as: Int32.self) ?? .init(start: nil, count: 0)
    }
    return BatchMemory(
      tokens: input("tokens"), targets: input("targets"), starts: input("document_starts"))
  }
}

/// The memory of one micro-batch, window after window.
public struct BatchMemory {
  public let tokens: UnsafeMutableBufferPointer<Int32>
  public let targets: UnsafeMutableBufferPointer<Int32>
  public let starts: UnsafeMutableBufferPointer<Int32>
}

extension Session {
  /// Starts an optimizer step.
  public func beginStep(learningRate: Double, optimizer: Optimizer, step number: Int) {
    let corrections = optimizer.corrections(step: number)
    if let hyper = training.elements(named: "hyper", as: Float.self) {
      hyper[HyperSlot.learningRate] = Float(learningRate)
      hyper[HyperSlot.firstCorrection] = Float(corrections.first)
      hyper[HyperSlot.secondCorrection] = Float(corrections.second)
      hyper[HyperSlot.clipScale] = 1
    }
    training.elements(named: "loss_scale", as: Float.self)?[0] =
      1 / Float(step.shape.tokensPerStep)
    training.resetProfile()
    training.run(.begin)
  }

  /// Forward and backward of the micro-batch in `batch`; the sum of its tokens' losses, in nats.
  public func runMicroBatch() -> Double {
    training.run(.body)
    return lossSum(training)
  }

  /// Updates the parameters; the gradient's norm before clipping.
  public func finishStep() -> Double {
    training.run(.finish)
    let hyper = training.elements(named: "hyper", as: Float.self)
    return Double(hyper?[HyperSlot.gradientNorm] ?? 0)
  }

  /// The sum of the losses of the windows in `validationBatch`, in nats.
  public func score() -> Double {
    validation.run(.body)
    return lossSum(validation)
  }

  private func lossSum(_ executor: Executor) -> Double {
    guard let losses = executor.elements(named: TrainingCompiler.lossOutput, as: Float.self) else {
      return .nan
    }
    return losses.reduce(0) { $0 + Double($1) }
  }
}

extension Session {
  /// Seconds by phase since the step began.
  var profile: StepProfile { training.profile }
}
