import CKernels
import CRuntime
import Programs

/// Where calls find their buffers, and what they share.
struct CallMemory {
  /// By buffer number, as are `sizes`, in bytes.
  let addresses: [UnsafeMutableRawPointer?]
  let sizes: [Int64]
  /// The first thread's scratch, and bytes from one thread's to the next one's.
  let scratch: UnsafeMutableRawPointer
  let scratchStride: Int

  /// - Parameter threads: as many as have scratch at the arena's end.
  init(
    _ program: Program, in arena: Arena, at addresses: [UnsafeMutableRawPointer], threads: Int
  ) {
    self.addresses = addresses
    sizes = program.buffers.map { Int64($0.byteCount) }
    scratchStride = Arena.aligned(program.scratchBytesPerThread)
    scratch = arena.base + (arena.byteCount - threads * scratchStride)
  }
}

extension CallMemory {
  /// The same for the executor, while `body` runs.
  fileprivate func withShared<Result>(
    _ kernels: Kernels, _ body: (UnsafePointer<sft_memory>) -> Result
  ) -> Result {
    addresses.withUnsafeBufferPointer { addresses in
      sizes.withUnsafeBufferPointer { sizes in
        let shared = sft_memory(
          addresses: addresses.baseAddress, sizes: sizes.baseAddress,
          buffer_count: Int64(addresses.count), kernels: kernels.table, scratch: scratch,
          scratch_stride: Int64(scratchStride), sgemm: kernels.sgemm)
        return withUnsafePointer(to: shared, body)
      }
    }
  }
}

/// Kernel calls bound to addresses: a program of the executor in C.
final class BoundCalls {
  private let handle: OpaquePointer
  /// Whose threads run the calls.
  private let pool: WorkerPool

  /// - Throws: `ExecutionError.unknownKernel`, `.badCall`, `.outOfMemory`.
  init(
    _ calls: [KernelCall], in memory: CallMemory, pool: WorkerPool, kernels: Kernels
  ) throws(ExecutionError) {
    var opened: OpaquePointer?
    var error = sft_error()
    guard sft_program_open(pool.handle, Int64(calls.count), &opened, &error) == SFT_OK,
      let opened
    else {
      throw .outOfMemory(bytes: calls.count * MemoryLayout<sft_call>.stride, available: nil)
    }
    (handle, self.pool) = (opened, pool)
    // Every property is set, so where a kernel is unknown, `deinit` closes the program.
    for call in calls {
      var record = sft_call_record(call, row: try kernels.row(named: call.kernel))
      let status = memory.withShared(kernels) { sft_program_add(opened, $0, &record, &error) }
      guard status == SFT_OK else { throw .badCall(error.description) }
    }
  }

  deinit { sft_program_close(handle) }

  /// Runs the calls of one part of the step in order.
  func run(_ part: StepPart) { sft_program_run(handle, part.code) }

  /// Runs one call on all threads; its time does not count.
  func run(call index: Int) { sft_program_run_call(handle, Int64(index)) }

  /// Seconds of all runs since the last reset.
  var profile: StepProfile {
    let seconds = sft_program_seconds(handle)
    var profile = StepProfile()
    for phase in Phase.allCases { profile.add(seconds[Int(phase.code.rawValue)], to: phase) }
    return profile
  }

  func resetProfile() { sft_program_reset_seconds(handle) }
}

extension sft_call_record {
  /// A call as the executor binds it, of the kernel in that row of the tables.
  fileprivate init(_ call: KernelCall, row: Int) {
    let encoded = call.encoded
    self.init()
    kernel = Int64(row)
    (items, grain, slices) = (Int64(call.items), Int64(call.grain), Int64(call.slices))
    (phase, part) = (call.phase.code, call.part.code)
    let views = call.buffers.map { view in
      view.map { sft_view(buffer: Int64($0.buffer), offset: Int64($0.byteOffset)) }
    }
    let none = sft_view(buffer: -1, offset: 0)
    let most = Int(SFT_MAX_BUFFERS)
    precondition(views.count <= most, "\(encoded.name) has \(views.count) buffers")
    withUnsafeMutableBytes(of: &buffers) { raw in
      let slots = raw.bindMemory(to: sft_view.self)
      for slot in slots.indices { slots[slot] = (slot < views.count ? views[slot] : nil) ?? none }
    }
    Self.copy(encoded.sizes.map(Int64.init), into: &sizes, of: encoded.name)
    Self.copy(encoded.scalars, into: &scalars, of: encoded.name)
  }

  /// Fills the first slots of an array of C.
  private static func copy<Element, Slots>(
    _ values: [Element], into slots: inout Slots, of kernel: String
  ) {
    withUnsafeMutableBytes(of: &slots) { raw in
      let slots = raw.bindMemory(to: Element.self)
      precondition(values.count <= slots.count, "\(kernel) has \(values.count) numbers")
      for (slot, value) in values.enumerated() { slots[slot] = value }
    }
  }
}

extension sft_error {
  /// What failed, in a sentence.
  var description: String {
    withUnsafeBytes(of: text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension Phase {
  fileprivate var code: sft_phase {
    switch self {
    case .forward: SFT_FORWARD
    case .backward: SFT_BACKWARD
    case .update: SFT_UPDATE
    }
  }
}

extension StepPart {
  fileprivate var code: sft_part {
    switch self {
    case .begin: SFT_BEGIN
    case .body: SFT_BODY
    case .finish: SFT_FINISH
    }
  }
}
