import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The one block of memory that a run's values live in, zeroed, page-aligned, of a fixed size.
public final class Arena: @unchecked Sendable {
  public let byteCount: Int
  /// Whether no program has put anything there.
  var isUnused = true
  let base: UnsafeMutableRawPointer
  private let mappedBytes: Int

  /// - Throws: `ExecutionError.outOfMemory` if the system refuses.
  public init(byteCount: Int) throws(ExecutionError) {
    let length = max(byteCount, 1)
    let memory = mmap(
      nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else { throw .outOfMemory(bytes: byteCount) }
    // Large pages spare the translation of addresses; a step uses nearly all of the arena anyway.
    // A refusal only costs time.
    _ = madvise(memory, length, MADV_HUGEPAGE)
    self.byteCount = byteCount
    base = memory
    mappedBytes = length
  }

  /// The address `offset` bytes from the start.
  public func address(at offset: Int) -> UnsafeMutableRawPointer {
    precondition((0...byteCount).contains(offset), "offset \(offset) of \(byteCount)")
    return base + offset
  }

  /// Gives all bytes memory of their own: those that are only read would share one page of zeros.
  func touch() { memset(base, 0, mappedBytes) }

  /// Makes all bytes zero again and gives their memory back until they are used.
  func clear() {
    if madvise(base, mappedBytes, MADV_DONTNEED) != 0 { memset(base, 0, mappedBytes) }
  }

  deinit { munmap(base, mappedBytes) }
}
