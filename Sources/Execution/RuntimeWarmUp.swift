import Programs
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

extension Kernels {
  /// Runs a matmul of a typical size on every thread, so that the matmul library allocates its
  /// packing buffers and they count towards the process's memory before a run.
  ///
  /// - Returns: the seconds that one matmul took and its floating-point operations.
  @discardableResult
  public func warmUp(_ pool: WorkerPool) throws(ExecutionError) -> (seconds: Double, flops: Int) {
    try reserveBuffers(threads: pool.threads)
    let product = try bound(
      Product(.forward, operands: .f32, weightType: .f32, m: 512, n: 1024, k: 1024), on: pool)
    product.run(.body)
    product.resetProfile()
    product.run(.body)
    return (product.profile.forward, product.program.bodyFlops)
  }

  /// Makes the matmul library take as much memory as the matmuls of some programs will make it take, so
  /// that it counts towards the process's memory before a run.
  ///
  /// OpenBLAS copies all rows of the left operand that a thread multiplies, and up to some hundred of
  /// their columns, into a buffer that it keeps; where a thread's part of the result has few columns, it
  /// needs no copy of all rows at once. Long results of few terms take most: gradients of an output
  /// head.
  public func takeBuffers(
    for programs: [Program], _ pool: WorkerPool
  ) throws(ExecutionError) {
    let calls = programs.flatMap(\.calls)
    let timed = Set((tuner?.unknown(calls) ?? []).compactMap(\.product))
    for split in ProductSplit.allCases {
      let parts = calls.compactMap { call -> Part? in
        guard let product = call.product, product.operands == .f32 else { return nil }
        let variant = (tuner?.chosen(call) ?? call).variant
        let isUsed = variant == ProductVariant(.openBLAS, split) || timed.contains(product)
        return isUsed ? Part(product, split, threads: pool.threads) : nil
      }
      guard let largest = parts.max(by: { $0.copied < $1.copied }) else { continue }
      try bound(
        Product(
          .forward, operands: .f32, weightType: .f32, m: largest.rows,
          n: largest.columns * pool.threads, k: largest.terms), on: pool
      ).run(.body)
    }
  }

  /// A thread's part of a result, as far as OpenBLAS's buffers depend on it.
  private struct Part {
    let rows: Int
    let columns: Int
    let terms: Int

    init(_ product: Product, _ split: ProductSplit, threads: Int) {
      func part(_ extent: Int) -> Int { (extent + threads - 1) / threads }
      let (rows, columns) = product.result
      self.rows = split == .rows ? part(rows) : rows
      self.columns = min(split == .columns ? part(columns) : columns, Kernels.fewColumns)
      terms = min(product.summed, Kernels.copiedColumns)
    }

    var copied: Int { rows * terms }
  }

  /// More than OpenBLAS copies at a time on any CPU.
  private static let copiedColumns = 1024
  /// At least as many columns as make OpenBLAS copy all rows on any CPU.
  private static let fewColumns = 1024

  /// A matmul of zeros, of which every thread computes some columns.
  private func bound(
    _ product: Product, on pool: WorkerPool
  ) throws(ExecutionError) -> BoundProgram {
    var offset = 0
    func buffer(_ name: String, _ count: Int) -> Buffer {
      defer { offset += 4 * count }
      return Buffer(
        name: name, kind: .workspace, byteCount: 4 * count, location: .arena(offset: offset))
    }
    let (m, n, k) = (product.m, product.n, product.k)
    let buffers = [buffer("x", m * k), buffer("w", n * k), buffer("y", m * n)]
    let matmul = MatrixProduct(product, split: .columns)
    let call = KernelCall(
      matmul,
      buffers: matmul.buffers(
        left: BufferView(buffer: 0), right: BufferView(buffer: 1), result: BufferView(buffer: 2)))
    let program = Program(
      buffers: buffers, calls: [call], arenaBytes: offset, persistentBytes: 0)
    return try BoundProgram(program, pool: pool, kernels: untuned, weights: NoWeights())
  }

  /// Checks that there is address space for a buffer of OpenBLAS's for each thread: refused one, it
  /// asks again for ever.
  private func reserveBuffers(threads: Int) throws(ExecutionError) {
    let bytes = (threads + 1) * Self.bufferBytes
    let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw .outOfMemory(bytes: bytes, available: SystemMemory.availableBytes)
    }
    munmap(memory, bytes)
  }

  /// What OpenBLAS maps for each thread that multiplies.
  private static let bufferBytes = 128 << 20
}
