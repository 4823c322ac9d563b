import Checkpoints
import Compilation
import Programs
import Tensors
import Weights

#if canImport(Glibc)
  import Glibc
#endif

/// An embedding of which only the rows of a micro-batch's tokens are in memory.
///
/// Each row lies at its offset in the whole table, in anonymous pages that are dropped when the
/// next rows are read. This is for frozen tables that only the lookup reads. Mapping the file
/// instead would make a block of neighbouring rows resident with every row, until all of the table
/// is.
final class LookupTable {
  private let memory: UnsafeMutableRawPointer
  private let byteCount: Int
  private let tensor: StoredTensor
  /// The tensor's rows that the program's buffer holds.
  private let rows: Range<Int>
  private var rowBytes: Int { byteCount / tensor.rowCount }

  /// A table for a program's buffer; nil where a delta's merged tensor is in memory already.
  ///
  /// - Throws: `TrainingError.execution` if no address space is left.
  convenience init?(_ buffer: Buffer, of weights: ModelWeights) throws(TrainingError) {
    guard case .checkpoint(let name, let rows) = buffer.contents, !weights.isMerged(name),
      let tensor = weights.checkpoint.origin(of: name)
    else { return nil }
    try self.init(tensor, rows: rows)
  }

  init(_ tensor: StoredTensor, rows: Range<Int>) throws(TrainingError) {
    self.tensor = tensor
    self.rows = rows
    byteCount = tensor.data.count
    let memory = mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw .execution(.outOfMemory(bytes: byteCount, available: nil))
    }
    _ = madvise(memory, byteCount, MADV_NOHUGEPAGE)
    self.memory = memory
  }

  /// The address of the first of the buffer's rows.
  var address: UnsafeRawPointer { UnsafeRawPointer(memory + rows.lowerBound * rowBytes) }

  deinit { munmap(memory, byteCount) }

  /// Drops the rows in memory and reads those of other tokens from the file.
  func load(_ tokens: UnsafeMutableBufferPointer<Int32>) {
    _ = madvise(memory, byteCount, MADV_DONTNEED)
    for token in tokens where rows.contains(Int(token)) {
      tensor.readRow(Int(token), into: memory + Int(token) * rowBytes)
    }
  }
}

/// A frozen table for which a `LookupTable` pays: only the lookup reads its rows, and those of a
/// micro-batch take less memory than the whole table.
struct LookedUpTable: Sendable {
  let buffer: Buffer
  /// Upper bound of the memory of a micro-batch's rows, in bytes of whole pages.
  let residentBytes: Int

  /// - Parameters:
  ///   - weights: the weights that are only looked up in the program that reads tokens.
  ///   - programs: all programs of the step.
  ///   - tokens: the number of tokens in a micro-batch.
  init?(_ weights: [Buffer], beside programs: [CompiledProgram], tokens: Int) {
    guard let table = weights.first,
      case .checkpoint(_, let rows) = table.contents, !rows.isEmpty
    else { return nil }
    let others = programs.flatMap { compiled in
      compiled.program.buffers.filter {
        $0.location == .external && !compiled.lookedUpWeights.contains($0)
      }
    }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let rowBytes = table.byteCount / rows.count
    let pages =
      page % rowBytes == 0 ? 1 : rowBytes % page == 0 ? rowBytes / page : rowBytes / page + 2
    residentBytes = min(tokens, rows.count) * pages * page
    buffer = table
    guard residentBytes < table.byteCount,
      !others.contains(where: { $0.contents.overlaps(table.contents) })
    else { return nil }
  }
}
