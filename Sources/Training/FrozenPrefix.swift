import Datasets
import Execution
import Programs
import Tensors

/// The frozen lowest blocks of a session: gives the step the residual stream that it starts from,
/// read from caches where they have all of a micro-batch's windows, else computed, rounded to what a
/// cache keeps, and kept.
final class FrozenPrefix {
  /// What a row of the micro-batch holds.
  private enum Row {
    /// Nothing that counts.
    case cleared
    /// A window, and the cache of its text.
    case window(Int, PrefixCache?)
  }

  /// How often the blocks have been computed.
  private(set) var runs = 0
  /// Seconds spent computing and reading since the last `resetProfile`.
  private(set) var seconds = 0.0
  /// The blocks' program as it runs.
  var program: Program { executor.program }
  private let executor: Executor
  private let step: CompiledStep
  /// What the blocks give, and where the step takes it from, both [windows · tokens · D].
  private let computed: UnsafeMutableBufferPointer<Float>
  private let input: UnsafeMutableBufferPointer<Float>
  private let embedding: LookupTable?
  private let batch: BatchMemory
  private var rows: [Row]
  private var caches: [PrefixCache] = []

  /// - Parameters:
  ///   - executor: of the step's prefix program.
  ///   - body: of its training program, in the same arena.
  ///   - embedding: what has to have the rows of the batch's tokens; nil if all rows are there.
  /// - Throws: `ExecutionError.portMissing` if one of them has no residual stream.
  init(
    _ executor: Executor, of step: CompiledStep, feeding body: Executor, embedding: LookupTable?,
    _ batch: BatchMemory
  ) throws(ExecutionError) {
    self.executor = executor
    self.step = step
    self.embedding = embedding
    self.batch = batch
    computed = try executor.memory(of: .prefix)
    input = try body.memory(of: .prefix)
    rows = Array(repeating: .window(0, nil), count: step.shape.windows)
  }

  /// Takes those caches that fit the step.
  func use(_ caches: [PrefixCache]) { self.caches = caches.filter { $0.fits(step) } }

  func fill(row: Int, from text: TokenStream, window: Int) {
    rows[row] = .window(window, caches.first { $0.text.isSame(as: text) })
  }

  func clear(row: Int) { rows[row] = .cleared }

  /// Puts the residual stream of the rows filled where the step starts from it.
  func prepare() {
    let clock = ContinuousClock()
    let start = clock.now
    if !readRows() { compute() }
    seconds += (clock.now - start).seconds
  }

  func resetProfile() { seconds = 0 }

  /// Computes the rows filled, and times each kernel.
  func profile() -> [KernelProfile] {
    embedding?.load(batch.tokens)
    let profile = executor.profile(.body)
    takeComputed()
    return profile
  }

  /// Reads all rows; false if a window is missing.
  private func readRows() -> Bool {
    rows.indices.allSatisfy { index in
      let memory = row(index, of: input)
      switch rows[index] {
      case .cleared: memory.update(repeating: 0)
      case .window(_, nil): return false
      case .window(let window, let cache?): return cache.read(window, into: memory)
      }
      return true
    }
  }

  private func compute() {
    embedding?.load(batch.tokens)
    executor.run(.body)
    runs += 1
    takeComputed()
    for index in rows.indices {
      guard case .window(let window, let cache?) = rows[index] else { continue }
      cache.write(window, from: UnsafeBufferPointer(row(index, of: input)))
    }
  }

  private func takeComputed() {
    _ = input.update(fromContentsOf: computed)
    if step.prefixType == .bf16 { roundToBfloat16(input) }
  }

  /// The elements of one row, [tokens · D].
  private func row(
    _ index: Int, of memory: UnsafeMutableBufferPointer<Float>
  ) -> UnsafeMutableBufferPointer<Float> {
    let size = step.shape.tokens * step.width
    return .init(rebasing: memory[index * size..<(index + 1) * size])
  }
}
