import Checkpoints
import Programs
import Tensors
import Weights

#if canImport(Glibc)
  import Glibc
#endif

/// An embedding of which only the rows of a micro-batch's tokens are in memory: each where it would
/// be in the whole table, in pages of their own that are dropped when the next rows come.
///
/// It is for frozen tables that nothing but the lookup reads. Mapping the file instead would bring a
/// block of neighbours in with every row, until all of it is resident.
final class LookupTable {
  let address: UnsafeRawPointer
  private let memory: UnsafeMutableRawPointer
  private let byteCount: Int
  private let tensor: StoredTensor

  /// - Throws: `TrainingError.execution` if the system has no addresses left.
  init(_ tensor: StoredTensor) throws(TrainingError) {
    self.tensor = tensor
    byteCount = tensor.data.count
    let memory = mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw .execution(.outOfMemory(bytes: byteCount))
    }
    _ = madvise(memory, byteCount, MADV_NOHUGEPAGE)
    self.memory = memory
    address = UnsafeRawPointer(memory)
  }

  deinit { munmap(memory, byteCount) }

  /// Forgets the rows that it has and reads those of other tokens, from the file itself.
  func load(_ tokens: UnsafeMutableBufferPointer<Int32>) {
    _ = madvise(memory, byteCount, MADV_DONTNEED)
    let rowBytes = byteCount / tensor.rowCount
    for token in tokens {
      let row = Int(token)
      tensor.readRow(row, into: memory + row * rowBytes)
    }
  }

  /// Bytes that the rows of so many tokens take at most, whole pages; nil for a table that is as
  /// well resident whole.
  static func residentBytes(of buffer: Buffer, tokens: Int) -> Int? {
    guard case .checkpoint(_, let rows) = buffer.contents, !rows.isEmpty else { return nil }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let rowBytes = buffer.byteCount / rows.count
    let pages =
      page % rowBytes == 0 ? 1 : rowBytes % page == 0 ? rowBytes / page : rowBytes / page + 2
    let bytes = min(tokens, rows.count) * pages * page
    return bytes < buffer.byteCount ? bytes : nil
  }
}
