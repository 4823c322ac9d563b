import Adaptations
import Compilation
import Execution
import Graphs
import Models
import Programs
import Tensors
import Weights

/// Generates tokens with a key/value cache: a program for blocks of the prompt, which ends where the
/// last block's keys and values are stored, and one for single tokens, whose logits are read, share
/// one arena and one cache.
public final class Generator {
  /// Rows of the prompt that are read at a time.
  private static let blockRows = 32

  /// Tokens that the cache holds.
  public let capacity: Int
  private let block: Decoder
  private let single: Decoder
  /// The logits of the last single token, [V].
  private let logits: UnsafeBufferPointer<Float>
  private let weights: ModelWeights
  private var position = 0

  /// - Parameters:
  ///   - capacity: tokens of prompt and continuation together.
  ///   - precision: the type of the matmuls' operands.
  public init(
    _ weights: ModelWeights, capacity: Int, pool: WorkerPool, kernels: Kernels,
    precision: GenerationPrecision = GenerationPrecision(.f32)
  ) throws(GenerationError) {
    self.capacity = capacity
    self.weights = weights
    let programs = try Self.programs(weights, capacity: capacity, precision)
    do {
      let arenaBytes = BoundProgram.arenaBytes(for: programs, threads: pool.threads)
      // Pages are taken when they are written, so what fits alone may not fit with the other.
      try SystemMemory.check(arenaBytes + CachedWeights.byteCount(programs[0]))
      let arena = try Arena(byteCount: arenaBytes)
      let memory = try CachedWeights(weights, programs[0])
      func decoder(_ program: Program) throws(ExecutionError) -> Decoder {
        try Decoder(
          BoundProgram(program, in: arena, pool: pool, kernels: kernels, weights: memory))
      }
      block = try decoder(programs[0])
      single = try decoder(programs[1])
      logits = UnsafeBufferPointer(try single.bound.memory(of: .logits))
    } catch {
      throw .execution(error)
    }
  }

  /// The programs for blocks of the prompt and for single tokens.
  private static func programs(
    _ weights: ModelWeights, capacity: Int, _ precision: GenerationPrecision
  ) throws(GenerationError) -> [Program] {
    let model = weights.configuration.model
    // A partly filled block still rotates all its rows, so they need positions, too.
    let rowsInCache = (capacity + blockRows - 1) / blockRows * blockRows
    var programs: [Program] = []
    do {
      for (rows, precision) in [(blockRows, precision.block), (1, precision.single)] {
        var graph = model.traceDecoding(
          rows: rows, capacity: rowsInCache, elementType: weights.elementType)
        // Nobody reads a block's logits: they would be rows · V floats, and most of a small model's
        // arithmetic.
        if rows > 1 { graph.outputs.removeAll() }
        try weights.adaptation.adapt(&graph)
        // The two programs' inputs differ in size, so each has its own offsets.
        var layout = PersistentLayout()
        programs.append(
          try InferenceCompiler(precision: precision).compile(graph, layout: &layout).program)
      }
    } catch let error as AdaptationError {
      throw .adaptation(error)
    } catch let error as GraphError {
      throw .graph(error)
    } catch {
      preconditionFailure("\(error)")
    }
    return programs
  }

  /// Reads the prompt, then draws tokens until `stop`, a full cache or `maxTokens`.
  ///
  /// - Parameters:
  ///   - tokens: the ids that may be drawn.
  ///   - stop: a token that ends the text; it is not reported.
  ///   - emit: called with each token as it is drawn; false ends the text.
  /// - Returns: the number of tokens drawn and reported.
  /// - Throws: `GenerationError`; `.brokenModel` for logits that are not finite.
  @discardableResult
  public func generate(
    prompt: [Int32], maxTokens: Int, tokens: KnownTokens = KnownTokens(), sampler: inout Sampler,
    stop: (Int32) -> Bool, emit: (Int32) -> Bool
  ) throws(GenerationError) -> Int {
    guard !prompt.isEmpty else { throw .emptyPrompt }
    guard prompt.count <= capacity else {
      throw .promptTooLong(tokens: prompt.count, context: capacity)
    }
    read(prompt)
    var count = 0
    while count < maxTokens {
      guard logits.allSatisfy(\.isFinite) else { throw .brokenModel(weight: weights.brokenWeight) }
      let token = Int32(tokens.draw(logits, &sampler))
      if stop(token) { break }
      count += 1
      guard emit(token), position < capacity, count < maxTokens else { break }
      run(single, [token])
    }
    return count
  }

  /// Reads a prompt from its beginning.
  ///
  /// The two programs keep their tables at the same offsets of the arena, so each writes its own
  /// before it runs: blocks first, single tokens from then on. The row scales of matrices that are
  /// quantised while they are packed are among these tables.
  ///
  /// - Returns: the last token's logits, valid until the next call.
  @discardableResult
  package func read(_ prompt: [Int32]) -> UnsafeBufferPointer<Float> {
    position = 0
    block.bound.initialise(seed: 0)
    var rest = prompt[...]
    while rest.count > 1 {
      let rows = Array(rest.prefix(min(Self.blockRows, rest.count - 1)))
      run(block, rows)
      rest = rest.dropFirst(rows.count)
    }
    single.bound.initialise(seed: 0)
    if let last = rest.first { run(single, [last]) }
    return logits
  }

  /// Runs tokens at the cache's current position. Rows that a block does not fill hold token 0; the
  /// keys and values they leave in the cache are overwritten before anything reads them.
  private func run(_ decoder: Decoder, _ tokens: [Int32]) {
    for row in decoder.tokens.indices {
      decoder.tokens[row] = row < tokens.count ? tokens[row] : 0
    }
    decoder.position[0] = Int32(position)
    decoder.bound.run(.body)
    position += tokens.count
  }
}

/// A program that runs some tokens at the cache's current position, with its ports.
private struct Decoder {
  let bound: BoundProgram
  let tokens: UnsafeMutableBufferPointer<Int32>
  let position: UnsafeMutableBufferPointer<Int32>

  init(_ bound: BoundProgram) throws(ExecutionError) {
    self.bound = bound
    tokens = try bound.memory(of: .tokens)
    position = try bound.memory(of: .position)
  }
}

/// A model's weights, and the key/value caches that all programs of a generator share.
private struct CachedWeights: WeightSource {
  private let weights: ModelWeights
  private let caches: Arena
  /// The offset of each cache, by its buffer's name.
  private let offsets: [String: Int]

  /// Allocates the caches that a program writes.
  init(_ weights: ModelWeights, _ program: Program) throws(ExecutionError) {
    self.weights = weights
    var offsets: [String: Int] = [:]
    var byteCount = 0
    for buffer in Self.caches(of: program) {
      offsets[buffer.name] = byteCount
      byteCount += Arena.aligned(buffer.byteCount)
    }
    self.offsets = offsets
    caches = try Arena(byteCount: byteCount)
  }

  /// Bytes of the caches that a program writes.
  static func byteCount(_ program: Program) -> Int {
    caches(of: program).reduce(0) { $0 + Arena.aligned($1.byteCount) }
  }

  private static func caches(of program: Program) -> [Buffer] {
    program.buffers.filter { $0.location == .external && $0.kind == .input }
  }

  func address(of buffer: Buffer) -> UnsafeRawPointer? {
    guard let offset = offsets[buffer.name] else { return weights.address(of: buffer) }
    return UnsafeRawPointer(caches.address(at: offset))
  }

  func readRows(
    of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    weights.readRows(of: name, rows, into: target)
  }
}
