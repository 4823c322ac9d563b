import Compilation
import Execution
import Programs
import Weights

/// A step's programs bound in one arena, with the memory of their ports.
struct BoundStep {
  let training: BoundProgram
  let validation: BoundProgram
  /// The program of the frozen lowest blocks; nil where none is split off.
  let below: BoundProgram?
  let arena: Arena
  /// The embedding, where only the rows of a micro-batch's tokens are in memory.
  let embedding: LookupTable?
  let batch: BatchMemory
  /// Inputs and outputs of the parameter updates; nil where the step trains nothing.
  let updateInputs: UpdateInputs?
  /// Losses of a micro-batch's tokens in the training program, in nats.
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

  /// Fills persistent buffers with their values before the first step.
  func initialise(seed: UInt64) {
    below?.initialise(seed: seed)
    training.initialise(seed: seed)
  }
}

/// Where a step's updates read the optimizer's hyperparameters and the loss scale.
struct UpdateInputs {
  /// See `HyperSlot`.
  let hyper: UnsafeMutableBufferPointer<Float>
  let lossScale: UnsafeMutableBufferPointer<Float>

  /// - Throws: `ExecutionError.portMissing` if the program contains no updates.
  init(_ training: BoundProgram) throws(ExecutionError) {
    hyper = try training.memory(of: .hyper)
    lossScale = try training.memory(of: .lossScale)
  }
}

/// The addresses of a step's weights: where the checkpoint is mapped, except for an embedding that
/// is only looked up, of which the rows of each micro-batch are read.
private struct StepWeights: WeightSource {
  let weights: ModelWeights
  /// The name of the embedding's buffer, if only rows of it are in memory.
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

  func storedIntegers(of name: String, _ rows: Range<Int>) -> StoredIntegers? {
    weights.storedIntegers(of: name, rows)
  }
}
