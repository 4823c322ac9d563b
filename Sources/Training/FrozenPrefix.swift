import Datasets
import Execution
import Programs
import Tensors

/// The frozen lowest blocks of a session: provides the residual stream that the step starts from, and
/// the streams below it that the step reads.
///
/// It is read from caches where they hold all windows of a micro-batch; else it is computed,
/// rounded to the cache's element type and written to the caches.
final class FrozenPrefix {
  /// What a row of the micro-batch holds.
  private enum Row {
    /// A row without scored targets.
    case cleared
    /// A window, and the cache of its text.
    case window(Int, PrefixCache?)
  }

  /// The micro-batches that the blocks have been computed for.
  private(set) var computing = MeanTime()
  /// Seconds spent computing and reading since the last `resetProfile`.
  private(set) var seconds = 0.0
  /// The blocks' program with its chosen kernels.
  var program: Program { blocks.program }
  private let blocks: BoundProgram
  private let step: CompiledStep
  /// The blocks' output, [windows · tokens · D].
  private let computed: UnsafeMutableBufferPointer<Float>
  /// The step's inputs, as large: of its lower streams, which the blocks write in place, and of the
  /// stream that it starts from.
  private let inputs: [UnsafeMutableBufferPointer<Float>]
  private let embedding: LookupTable?
  private let batch: BatchMemory
  private var rows: [Row]
  private var caches: [PrefixCache] = []

  /// Nil where no blocks are split off from the step.
  ///
  /// - Throws: `ExecutionError.portMissing` if a program has no port for the residual stream.
  init?(of step: CompiledStep, _ bound: BoundStep) throws(ExecutionError) {
    guard let blocks = bound.below else { return nil }
    self.blocks = blocks
    self.step = step
    embedding = bound.embedding
    batch = bound.batch
    computed = try blocks.memory(of: .prefix)
    var inputs: [UnsafeMutableBufferPointer<Float>] = []
    for layer in step.lowerStreams {
      inputs.append(try bound.training.memory(of: .stream(behind: layer)))
    }
    self.inputs = inputs + [try bound.training.memory(of: .prefix)]
    rows = Array(repeating: .window(0, nil), count: step.shape.windows)
  }

  /// Uses those of the given caches that fit the step.
  func use(_ caches: [PrefixCache]) { self.caches = caches.filter { $0.fits(step) } }

  func fill(row: Int, from text: TokenStream, window: Int) {
    rows[row] = .window(window, caches.first { $0.text.isSame(as: text) })
  }

  /// Row `row` holds ids that belong to no text, so no cache has its outputs.
  func fill(row: Int) { rows[row] = .window(0, nil) }

  func clear(row: Int) { rows[row] = .cleared }

  /// Provides the residual stream of the filled rows at the step's input, read or computed.
  func prepare() {
    let clock = ContinuousClock()
    let start = clock.now
    if !readRows() {
      compute()
      computing.add((clock.now - start).seconds)
    }
    seconds += (clock.now - start).seconds
  }

  /// How many of the next windows of a text no cache will have yet, if each window comes as often as
  /// the others.
  ///
  /// - Parameter count: the windows that are trained on or scored from now on.
  func uncached(ofNext count: Int, in text: TokenStream) -> Int {
    guard let cache = caches.first(where: { $0.text.isSame(as: text) }), cache.isUsable else {
      return count
    }
    return min(count, cache.windowCount - cache.storedWindows)
  }

  func resetProfile() { seconds = 0 }

  /// Computes the filled rows and times each kernel.
  func profile() -> [KernelProfile] {
    embedding?.load(batch.tokens)
    let profile = blocks.profile(.body)
    takeComputed()
    return profile
  }

  /// Reads all rows from caches; false if a window is missing.
  private func readRows() -> Bool {
    rows.indices.allSatisfy { index in
      let memory = inputs.map { row(index, of: $0) }
      switch rows[index] {
      case .cleared: for stream in memory { stream.update(repeating: 0) }
      case .window(_, nil): return false
      case .window(let window, let cache?): return cache.read(window, into: memory)
      }
      return true
    }
  }

  private func compute() {
    embedding?.load(batch.tokens)
    blocks.run(.body)
    takeComputed()
    for index in rows.indices {
      guard case .window(let window, let cache?) = rows[index] else { continue }
      cache.write(window, from: inputs.map { UnsafeBufferPointer(row(index, of: $0)) })
    }
  }

  private func takeComputed() {
    _ = inputs[inputs.count - 1].update(fromContentsOf: computed)
    if step.prefixType == .bf16 { for input in inputs { roundToBfloat16(input) } }
  }

  /// The elements of one row, [tokens · D].
  private func row(
    _ index: Int, of memory: UnsafeMutableBufferPointer<Float>
  ) -> UnsafeMutableBufferPointer<Float> {
    let size = step.shape.tokens * step.width
    return .init(rebasing: memory[index * size..<(index + 1) * size])
  }
}
