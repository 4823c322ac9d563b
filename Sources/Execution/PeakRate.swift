import Programs
import Tensors

extension MatmulOperand {
  /// The kernel that multiplies this operand type as fast as the CPU can, and does nothing else.
  fileprivate var probe: String {
    switch self {
    case .f32: "probe_floats"
    case .bf16: "probe_pairs"
    case .int8: "probe_bytes"
    }
  }

  /// Multiply-adds per lane.
  fileprivate var width: Int {
    switch self {
    case .f32: 1
    case .bf16: 2
    case .int8: 4
    }
  }
}

extension Kernels {
  /// Peak floating-point operations per second of dot products on registers, on all threads at
  /// once: the best of a few tries of some milliseconds.
  public func peak(_ operand: MatmulOperand, _ pool: WorkerPool) throws(ExecutionError) -> Double {
    let (rounds, itemsPerThread) = (500, 4)
    let items = itemsPerThread * pool.threads
    let sizes = [256, 64 + 1024, 64 * items]
    var offset = 0
    let buffers = sizes.enumerated().map { index, size in
      defer { offset += Arena.aligned(size) }
      return Buffer(
        name: "b\(index)", kind: .workspace, byteCount: size, location: .arena(offset: offset))
    }
    let call = KernelCall(
      kernel: operand.probe, buffers: sizes.indices.map { BufferView(buffer: $0) },
      sizes: [rounds], items: items)
    let program = Program(buffers: buffers, calls: [call], arenaBytes: offset, persistentBytes: 0)
    let bound = try BoundProgram(program, pool: pool, kernels: self, weights: NoWeights())
    let flops = Double(2 * 48 * 64 * rounds * 16 * operand.width * items)
    let rates = (0..<7).map { _ in
      bound.resetProfile()
      bound.run(.body)
      return flops / max(1e-9, bound.profile.forward)
    }
    return rates.max() ?? 0
  }

  /// Seconds that the programs' arithmetic would take at the peak rate of its operand types: the
  /// calls of each program's body, once.
  public func secondsAtPeak(
    _ programs: [Program], _ pool: WorkerPool
  ) throws(ExecutionError) -> Double {
    var flops: [MatmulOperand: Int] = [:]
    for call in programs.flatMap(\.calls) where call.part == .body && call.flops > 0 {
      flops[call.multiplies, default: 0] += call.flops
    }
    var seconds = 0.0
    for operand in MatmulOperand.allCases {
      guard let count = flops[operand] else { continue }
      seconds += Double(count) / max(1, try peak(operand, pool))
    }
    return seconds
  }
}
