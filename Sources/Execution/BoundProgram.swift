import CKernels
import CRuntime
import Programs
import Tensors

/// A program with all that it needs to run: an arena, threads, kernels, the addresses of weights,
/// and the memory of its ports.
///
/// Every call is bound to addresses once, each matmul in the variant that the kernels' tuner
/// chooses, by the executor in C (`CRuntime`), which runs it. Not safe to use from several threads at once; it
/// distributes its work over the worker pool itself.
public final class BoundProgram {
  /// The program as it runs: each matmul in its chosen variant.
  public let program: Program
  private let arena: Arena
  private let weights: any WeightSource
  private let addresses: [UnsafeMutableRawPointer]
  private let pool: WorkerPool
  private let calls: BoundCalls

  /// Bytes that an arena needs to run these programs on that many threads.
  public static func arenaBytes(for programs: [Program], threads: Int) -> Int {
    let values = programs.map(\.arenaBytes).max() ?? 0
    return Arena.aligned(values) + scratchBytes(for: programs, threads: threads)
  }

  /// Bytes of the threads' scratch, a part of `arenaBytes`.
  public static func scratchBytes(for programs: [Program], threads: Int) -> Int {
    threads * Arena.aligned(programs.map(\.scratchBytesPerThread).max() ?? 0)
  }

  /// Binds a program. While the arena is unused, matmuls that the kernels' tuner does not know are
  /// timed in it, and the arena is cleared.
  ///
  /// - Parameters:
  ///   - arena: at least `arenaBytes` of the program; several programs may share one.
  ///   - weights: the tensors outside the arena; kept alive for as long as this object.
  /// - Throws: `ExecutionError` for an external buffer without an address or an unknown kernel.
  public init(
    _ program: Program, in arena: Arena, pool: WorkerPool, kernels: Kernels,
    weights: any WeightSource
  ) throws(ExecutionError) {
    precondition(
      Self.arenaBytes(for: [program], threads: pool.threads) <= arena.byteCount, "arena too small")
    self.arena = arena
    self.weights = weights
    self.pool = pool
    addresses = try Self.addresses(of: program, in: arena, weights)
    let memory = CallMemory(program, in: arena, at: addresses, threads: pool.threads)
    let chosen = try Self.tuned(program, in: arena, memory, pool, kernels)
    calls = try BoundCalls(chosen.calls, in: memory, pool: pool, kernels: kernels)
    self.program = chosen
  }

  /// Binds a program that has an arena of its own.
  ///
  /// - Throws: as above, and `ExecutionError.outOfMemory`.
  public convenience init(
    _ program: Program, pool: WorkerPool, kernels: Kernels, weights: any WeightSource
  ) throws(ExecutionError) {
    try self.init(
      program, in: Arena(byteCount: Self.arenaBytes(for: [program], threads: pool.threads)),
      pool: pool, kernels: kernels, weights: weights)
  }

  private static func addresses(
    of program: Program, in arena: Arena, _ weights: any WeightSource
  ) throws(ExecutionError) -> [UnsafeMutableRawPointer] {
    var addresses: [UnsafeMutableRawPointer] = []
    for buffer in program.buffers {
      switch buffer.location {
      case .arena(let offset): addresses.append(arena.base + offset)
      case .external:
        guard let address = weights.address(of: buffer) else {
          throw .unbound(buffer: buffer.name)
        }
        addresses.append(UnsafeMutableRawPointer(mutating: address))
      }
    }
    return addresses
  }

  /// The program with each matmul in its chosen variant; times the matmuls that the tuner doesn't
  /// know.
  private static func tuned(
    _ program: Program, in arena: Arena, _ memory: CallMemory, _ pool: WorkerPool,
    _ kernels: Kernels
  ) throws(ExecutionError) -> Program {
    guard let tuner = kernels.tuner else { return program }
    let unknown = tuner.unknown(program.calls)
    if !unknown.isEmpty, arena.isUnused {
      arena.touch()
      try tuner.measure(unknown) { (call) throws(ExecutionError) in
        let bound = try BoundCalls([call], in: memory, pool: pool, kernels: kernels)
        let clock = ContinuousClock()
        let start = clock.now
        bound.run(call: 0)
        return (clock.now - start).seconds
      }
      arena.clear()
    }
    var chosen = program
    chosen.calls = chosen.calls.map(tuner.chosen)
    return chosen
  }
}

extension BoundProgram {
  /// Runs the calls of one part of the step in order.
  public func run(_ part: StepPart) {
    arena.isUnused = false
    calls.run(part)
  }

  /// Runs one call on all threads.
  func run(call index: Int) { calls.run(call: index) }

  /// Seconds of all runs since the last reset.
  public var profile: StepProfile { calls.profile }

  /// Sets the seconds measured so far to zero.
  public func resetProfile() { calls.resetProfile() }

  /// The memory of a buffer as elements of a type.
  public func elements<Element>(
    of buffer: Int, as type: Element.Type
  ) -> UnsafeMutableBufferPointer<Element> {
    let count = program.buffers[buffer].byteCount / MemoryLayout<Element>.stride
    return UnsafeMutableBufferPointer(
      start: addresses[buffer].assumingMemoryBound(to: type), count: count)
  }

  /// The memory of a port, for as long as the arena lives.
  ///
  /// - Throws: `ExecutionError.portMissing` or `.portType` if the program has no such port.
  public func memory<Element>(
    of port: Port<Element>
  ) throws(ExecutionError) -> UnsafeMutableBufferPointer<Element> {
    guard let found = program.port(named: port.name) else { throw .portMissing(name: port.name) }
    guard found.elementType == Element.elementType else {
      throw .portType(name: port.name, found: found.elementType, expected: Element.elementType)
    }
    return elements(of: found.buffer, as: Element.self)
  }

  /// Fills persistent buffers with what they hold before the first step.
  ///
  /// - Parameter seed: seeds random initial values.
  public func initialise(seed: UInt64) {
    arena.isUnused = false
    for (index, buffer) in program.buffers.enumerated() where buffer.isPersistent {
      let contents = FloatContents(buffer.contents, seed: seed, weights: weights)
      switch (buffer.contents, buffer.elements) {
      case (_, .int8) where buffer.kind == .parameter:
        guard let scales = program.buffers.firstIndex(where: { $0.name == buffer.scalesName })
        else { preconditionFailure("\(buffer.name) has no scales") }
        IntegerContents(buffer.contents, seed: seed, weights: weights).write(
          to: elements(of: index, as: Int8.self), scales: elements(of: scales, as: Float.self))
      case (.undefined, _): break
      case (.zeros, _): elements(of: index, as: UInt8.self).update(repeating: 0)
      case (.integers(let values), _):
        _ = elements(of: index, as: Int32.self).update(from: values)
      case (_, .bf16): contents.write(to: elements(of: index, as: UInt16.self))
      default: contents.write(to: elements(of: index, as: Float.self))
      }
    }
  }
}
