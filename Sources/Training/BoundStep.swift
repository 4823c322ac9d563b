import Compilation
import Execution
import Programs
import Weights

/// A step's programs bound in one arena, with the memory of their ports.
struct BoundStep {
  let training: BoundProgram
  let validation: BoundProgram
  /// The frozen lowest blocks, where they are a program of their own.
  let below: BoundProgram?
  let arena: Arena
  /// The embedding, where only rows of it are kept.
  let embedding: LookupTable?
  let batch: BatchMemory
  /// Where the updates read their numbers; nil where the step trains nothing.
  let updateInputs: UpdateInputs?
  /// Losses of a micro-batch's tokens, in nats.
  let trainingLosses: UnsafeMutableBufferPointer<Float>
  let validationLosses: UnsafeMutableBufferPointer<Float>

  /// Allocates the arena.
  ///
  /// - Throws: `TrainingError.execution` if the system has no memory left, or a program lacks what a
  ///   session needs.
  init(
    _ step: CompiledStep, weights: ModelWeights, pool: WorkerPool, kernels: Kernels
  ) throws(TrainingError) {
    let table = step.lookedUpTable?.buffer
    let embedding = try table.flatMap { (table) throws(TrainingError) in
      try LookupTable(table, of: weights)
    }
    let tensors = StepTensors(weights: weights, table: table?.name, embedding: embedding)
    do throws(ExecutionError) {
      let arena = try Arena(byteCount: step.arenaBytes(threads: pool.threads))
      func bind(
        _ compiled: CompiledProgram, _ kernels: Kernels
      ) throws(ExecutionError) -> BoundProgram {
        try BoundProgram(
          compiled.program, in: arena, pool: pool, kernels: kernels, tensors: tensors)
      }
      training = try bind(step.training, kernels)
      below = try step.prefix.map { (compiled) throws(ExecutionError) in
        try bind(compiled, kernels.forFrozenBlocks(step.precision))
      }
      validation = try bind(step.validation, kernels)
      batch = try BatchMemory(training, below: below)
      updateInputs = step.trainableParameters > 0 ? try UpdateInputs(training) : nil
      trainingLosses = try training.memory(of: .loss)
      validationLosses = try validation.memory(of: .loss)
      self.arena = arena
    } catch { throw .execution(error) }
    self.embedding = embedding
  }

  /// Fills what programs keep with what it holds before the first step.
  func initialise(seed: UInt64) {
    below?.initialise(seed: seed)
    training.initialise(seed: seed)
  }
}

extension Kernels {
  /// What frozen blocks make of a window must not depend on its row of the batch, since a cache may
  /// have it from another row: sums of tiles do not, those of a library may.
  fileprivate func forFrozenBlocks(_ precision: Precision) -> Kernels {
    guard precision == .f32 else { return self }
    var byTiles = self
    byTiles.tuner = ProductTuner(.fixed(.tiles))
    return byTiles
  }
}

/// Where a step's updates read their numbers, and clipping leaves the gradient's norm.
struct UpdateInputs {
  /// See `HyperSlot`.
  let hyper: UnsafeMutableBufferPointer<Float>
  let lossScale: UnsafeMutableBufferPointer<Float>

  /// - Throws: `ExecutionError.portMissing` if the program updates nothing.
  init(_ training: BoundProgram) throws(ExecutionError) {
    hyper = try training.memory(of: .hyper)
    lossScale = try training.memory(of: .lossScale)
  }
}

/// A step's weights: where they are mapped, but of an embedding that is only looked up the rows that
/// are read for each micro-batch.
private struct StepTensors: WeightSource {
  let weights: ModelWeights
  /// The name of the embedding's buffer, if only rows of it are kept.
  let table: String?
  let embedding: LookupTable?

  func address(of buffer: Buffer) -> UnsafeRawPointer? {
    (buffer.name == table ? embedding?.address : nil) ?? weights.address(of: buffer)
  }

  func readRows(
    of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    weights.readRows(of: name, rows, into: target)
  }
}
