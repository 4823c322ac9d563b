import Programs
import Tensors

extension Kernels {
  /// What products can multiply.
  public enum Operand: Sendable, CaseIterable {
    case floats, bf16Pairs, bytes

    /// What a call multiplies.
    init(of call: KernelCall) {
      if let product = call.product {
        self =
          product.isOfFloats ? .floats : product.isOfBytes ? .bytes : .bf16Pairs
      } else {
        self = call.kernel.hasSuffix("_bf16") ? .bf16Pairs : .floats
      }
    }

    fileprivate var kernel: String {
      switch self {
      case .floats: "probe_floats"
      case .bf16Pairs: "probe_pairs"
      case .bytes: "probe_bytes"
      }
    }

    /// Multiply-adds of one lane.
    fileprivate var width: Int {
      switch self {
      case .floats: 1
      case .bf16Pairs: 2
      case .bytes: 4
      }
    }
  }

  /// Floating-point operations a second that dot products on registers reach on all threads at
  /// once: the best of a few tries of some milliseconds.
  public func peak(_ operand: Operand, _ pool: WorkerPool) throws(ExecutionError) -> Double {
    let (rounds, itemsPerThread) = (500, 4)
    let items = itemsPerThread * pool.threads
    let sizes = [256, 64 + 1024, 64 * items]
    var offset = 0
    let buffers = sizes.enumerated().map { index, size in
      defer { offset += (size + 63) & ~63 }
      return Buffer(
        name: "b\(index)", kind: .workspace, byteCount: size, location: .arena(offset: offset))
    }
    let call = KernelCall(
      kernel: operand.kernel, buffers: sizes.indices.map { BufferView(buffer: $0) },
      sizes: [rounds], items: items)
    let program = Program(buffers: buffers, calls: [call], arenaBytes: offset, persistentBytes: 0)
    let arena = try Arena(byteCount: Executor.arenaBytes(for: [program], threads: pool.threads))
    let executor = try Executor(program, arena: arena, pool: pool, kernels: self) { _ in nil }
    let flops = Double(2 * 48 * 64 * rounds * 16 * operand.width * items)
    let rates = (0..<7).map { _ in
      executor.resetProfile()
      executor.run(.body)
      return flops / max(1e-9, executor.profile.forward)
    }
    return rates.max() ?? 0
  }

  /// Seconds that a step's arithmetic would take if all of it ran at the peak of what it multiplies:
  /// those of the body of some programs, once.
  public func secondsAtPeak(
    _ programs: [Program], _ pool: WorkerPool
  ) throws(ExecutionError) -> Double {
    var flops: [Operand: Int] = [:]
    for call in programs.flatMap(\.calls) where call.stage == .body && call.flops > 0 {
      flops[Operand(of: call), default: 0] += call.flops
    }
    var seconds = 0.0
    for operand in Operand.allCases {
      guard let count = flops[operand] else { continue }
      seconds += Double(count) / max(1, try peak(operand, pool))
    }
    return seconds
  }
}
