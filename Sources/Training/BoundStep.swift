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
    let memory = StepWeights(weights: weights, table: table?.name, embedding: embedding)
    do throws(ExecutionError) {
      let bundle = try BoundBundle(step.bundle, pool: pool, kernels: kernels, weights: memory)
      training = try bundle.program(.training)
      below = bundle[.prefix]
      validation = try bundle.program(.validation)
      arena = bundle.arena
      batch = try BatchMemory(training, below: below)
      updateInputs = step.trainableParameters > 0 ? try UpdateInputs(training) : nil
      trainingLosses = try training.memory(of: .loss)
      validationLosses = try validation.memory(of: .loss)
    } catch { throw .execution(error) }
    self.embedding = embedding
  }

  /// Fills what programs keep with what it holds before the first step.
  func initialise(seed: UInt64) {
    below?.initialise(seed: seed)
    training.initialise(seed: seed)
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
private struct StepWeights: WeightSource {
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
