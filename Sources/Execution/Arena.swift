import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The one block of memory that holds a run's values: zeroed, page-aligned, of a fixed size.
public final class Arena: @unchecked Sendable {
  public let byteCount: Int
  /// Whether no program has written to it yet.
  var isUnused = true
  let base: UnsafeMutableRawPointer
  private let mappedBytes: Int

  /// - Throws: `ExecutionError.outOfMemory` if the system refuses, or has less to give: memory is
  ///   taken page by page, and running out half-way would end the process without a word.
  public init(byteCount: Int) throws(ExecutionError) {
    let length = max(byteCount, 1)
    try SystemMemory.check(length)
    let memory = mmap(
      nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw .outOfMemory(bytes: byteCount, available: nil)
    }
    // Large pages save address translation; a step uses nearly all of the arena anyway. If the
    // system refuses, that only costs time.
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

  /// Bytes that something takes in an arena, so that what follows begins where a cache line does.
  public static func aligned(_ bytes: Int) -> Int { (bytes + 63) & ~63 }

  /// Makes every page resident: pages that are only read would share a single page of zeros.
  func touch() { memset(base, 0, mappedBytes) }

  /// Zeroes all bytes and returns their memory to the system until they are used again.
  func clear() {
    if madvise(base, mappedBytes, MADV_DONTNEED) != 0 { memset(base, 0, mappedBytes) }
  }

  deinit { munmap(base, mappedBytes) }
}
