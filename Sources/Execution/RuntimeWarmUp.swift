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
    let (m, n, k) = (512, 1024, 1024)
    var offset = 0
    func buffer(_ name: String, _ count: Int) -> Buffer {
      defer { offset += 4 * count }
      return Buffer(
        name: name, kind: .workspace, byteCount: 4 * count, location: .arena(offset: offset))
    }
    let buffers = [buffer("x", m * k), buffer("w", n * k), buffer("y", m * n)]
    let product = MatrixProduct(
      Product(.forward, operands: .f32, weightType: .f32, m: m, n: n, k: k), split: .columns)
    let call = KernelCall(
      product,
      buffers: product.buffers(
        left: BufferView(buffer: 0), right: BufferView(buffer: 1), result: BufferView(buffer: 2)))
    let program = Program(
      buffers: buffers, calls: [call], arenaBytes: offset, persistentBytes: 0)
    let bound = try BoundProgram(program, pool: pool, kernels: self, weights: NoWeights())
    bound.run(.body)
    bound.resetProfile()
    bound.run(.body)
    return (bound.profile.forward, call.flops)
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
