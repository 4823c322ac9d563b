import CKernels
import Programs
import Tensors

/// A program with all that it needs to run: an arena, threads, kernels, the addresses of weights,
/// and the memory of its ports.
///
/// Every call is bound to addresses once, each matmul in the variant that the kernels' tuner
/// chooses; running only calls kernels. Not safe to use from several threads at once; it
/// distributes its work over the worker pool itself.
public final class BoundProgram {
  /// The program as it runs: each matmul in its chosen variant.
  public let program: Program
  public private(set) var profile = StepProfile()
  private let arena: Arena
  private let weights: any WeightSource
  private let addresses: [UnsafeMutableRawPointer]
  private let crew: Crew
  private let calls: UnsafeMutableBufferPointer<BoundCall>

  private struct BoundCall {
    var call: sft_call
    var function: sft_kernel
    var items: Int
    var grain: Int
    var slices: Int
    var phase: Phase
    var part: StepPart
  }

  /// The threads, each with its scratch.
  private struct Crew {
    let pool: WorkerPool
    let scratch: UnsafeMutableRawPointer
    let scratchStride: Int

    init(_ pool: WorkerPool, _ arena: Arena, scratchBytesPerThread bytes: Int) {
      self.pool = pool
      scratchStride = Arena.aligned(bytes)
      scratch = arena.base + (arena.byteCount - pool.threads * scratchStride)
    }

    func run(_ bound: inout BoundCall) {
      let (function, items, grain, slices) = (
        bound.function, bound.items, bound.grain, bound.slices
      )
      withUnsafePointer(to: &bound.call) { call in
        pool.run(
          WorkerJob(
            function: function, call: call, items: items, grain: grain, scratch: scratch,
            scratchStride: scratchStride, slicesPerThread: slices))
      }
    }
  }

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
    crew = Crew(pool, arena, scratchBytesPerThread: program.scratchBytesPerThread)
    addresses = try Self.addresses(of: program, in: arena, weights)
    self.program = try Self.tuned(program, in: arena, at: addresses, crew, kernels)
    calls = .allocate(capacity: self.program.calls.count)
    // Every property is set, so where binding throws, `deinit` frees the calls.
    for (index, call) in self.program.calls.enumerated() {
      calls.initializeElement(at: index, to: try Self.bind(call, to: addresses, kernels))
    }
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
    _ program: Program, in arena: Arena, at addresses: [UnsafeMutableRawPointer], _ crew: Crew,
    _ kernels: Kernels
  ) throws(ExecutionError) -> Program {
    guard let tuner = kernels.tuner else { return program }
    let unknown = tuner.unknown(program.calls)
    if !unknown.isEmpty, arena.isUnused {
      arena.touch()
      try tuner.measure(unknown) { (call) throws(ExecutionError) in
        var bound = try bind(call, to: addresses, kernels)
        let clock = ContinuousClock()
        let start = clock.now
        crew.run(&bound)
        return (clock.now - start).seconds
      }
      arena.clear()
    }
    var chosen = program
    chosen.calls = chosen.calls.map(tuner.chosen)
    return chosen
  }

  deinit { calls.deallocate() }

  private static func bind(
    _ call: KernelCall, to addresses: [UnsafeMutableRawPointer], _ kernels: Kernels
  ) throws(ExecutionError) -> BoundCall {
    let kernel = call.encoded
    return BoundCall(
      call: arguments(of: kernel, call.buffers, at: addresses, sgemm: kernels.sgemm),
      function: try kernels.function(named: kernel.name), items: call.items, grain: call.grain,
      slices: call.slices, phase: call.phase, part: call.part)
  }

  private static func arguments(
    of kernel: NamedKernel, _ buffers: [BufferView?], at addresses: [UnsafeMutableRawPointer],
    sgemm: @escaping sft_sgemm_function
  ) -> sft_call {
    var bound = sft_call()
    bound.sgemm = sgemm
    precondition(
      buffers.count <= SFT_MAX_BUFFERS && kernel.sizes.count <= SFT_MAX_SIZES
        && kernel.scalars.count <= SFT_MAX_SCALARS, kernel.name)
    withUnsafeMutableBytes(of: &bound.buffers) { raw in
      let slots = raw.bindMemory(to: UnsafeMutableRawPointer?.self)
      for (slot, view) in buffers.enumerated() {
        slots[slot] = view.map { addresses[$0.buffer] + $0.byteOffset }
      }
    }
    withUnsafeMutableBytes(of: &bound.sizes) { raw in
      let slots = raw.bindMemory(to: Int64.self)
      for (slot, size) in kernel.sizes.enumerated() { slots[slot] = Int64(size) }
    }
    withUnsafeMutableBytes(of: &bound.scalars) { raw in
      let slots = raw.bindMemory(to: Float.self)
      for (slot, scalar) in kernel.scalars.enumerated() { slots[slot] = scalar }
    }
    return bound
  }
}

extension BoundProgram {
  /// Runs the calls of one part of the step in order.
  public func run(_ part: StepPart) {
    arena.isUnused = false
    let clock = ContinuousClock()
    var phase = Phase.forward
    var start = clock.now
    for index in calls.indices where calls[index].part == part {
      if calls[index].phase != phase {
        let now = clock.now
        profile.add((now - start).seconds, to: phase)
        (phase, start) = (calls[index].phase, now)
      }
      run(call: index)
    }
    profile.add((clock.now - start).seconds, to: phase)
  }

  /// Runs one call on all threads.
  func run(call index: Int) { crew.run(&calls[index]) }

  /// Sets the seconds measured so far to zero.
  public func resetProfile() { profile = StepProfile() }

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
