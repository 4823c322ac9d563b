import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// A text file, read in parts. It is not mapped: where somebody cuts it short meanwhile, reading is an
/// error, not a signal that ends the process.
package final class TextFile {
  package let path: String
  /// The state of the file when it was opened.
  let identity: FileIdentity
  /// Whether the file was changed so shortly before it was opened that a further change might leave
  /// the same times.
  let isRecent: Bool
  private let descriptor: Int32

  /// Bytes of the file when it was opened.
  package var count: Int { identity.count }

  /// - Throws: `StorageError` as `MappedFile`, which also says what is no file.
  package init(path: String) throws(StorageError) {
    self.path = path
    // The checks of what may be opened, and their words, are those of other files.
    _ = try MappedFile(path: path)
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw .cannotOpen(path: path, reason: systemMessage(errno))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let reason = systemMessage(errno)
      close(descriptor)
      throw .readFailed(path: path, reason: reason)
    }
    identity = FileIdentity(status)
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let nanoseconds = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
    isRecent = nanoseconds - max(identity.modified, identity.changed) < 1_000_000_000
  }

  deinit { close(descriptor) }

  /// Bytes of the file.
  /// - Throws: `DatasetError.changed` where the file has become shorter, `.storage` where it can't be
  ///   read.
  package func bytes(_ range: Range<Int>) throws(DatasetError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    var done = 0
    while done < range.count {
      let count = bytes.withUnsafeMutableBytes { target in
        pread(
          descriptor, target.baseAddress.map { $0 + done }, range.count - done,
          off_t(range.lowerBound + done))
      }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw .storage(.readFailed(path: path, reason: systemMessage(errno)))
      }
      guard count > 0 else { throw .changed(path: path) }
      done += count
    }
    return bytes
  }

  /// Calls `body` with each chunk of a range in turn.
  /// - Throws: as `bytes`, and what `body` throws.
  package func forEachChunk(
    of range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: chunkBytes) {
      let chunk = try bytes(start..<min(start + chunkBytes, range.upperBound))
      try chunk.withUnsafeBytes(body)
    }
  }

  /// Adds the whole file to a hash.
  /// - Throws: as `bytes`.
  func add(to hash: ContentHash...) throws(DatasetError) {
    for start in stride(from: 0, to: count, by: chunkBytes) {
      let chunk = try bytes(start..<min(start + chunkBytes, count))
      for hash in hash { hash.update(chunk) }
    }
  }

  /// Checks that nobody wrote to the file since it was opened.
  /// - Throws: `DatasetError.changed`.
  func checkUnchanged() throws(DatasetError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, FileIdentity(status) == identity else {
      throw .changed(path: path)
    }
  }
}

/// Bytes of a text file that are in memory at once.
let chunkBytes = 1 << 20

/// Single bytes of a text file, read by pages.
struct TextPages {
  private let file: TextFile
  private var page: [UInt8] = []
  private var start = 0
  private static let pageBytes = 1 << 14

  init(_ file: TextFile) { self.file = file }

  /// The byte at `index`, which must be in the file.
  /// - Throws: as `TextFile.bytes`.
  mutating func byte(_ index: Int) throws(DatasetError) -> UInt8 {
    if index < start || index >= start + page.count {
      start = index / Self.pageBytes * Self.pageBytes
      page = try file.bytes(start..<min(start + Self.pageBytes, file.count))
    }
    return page[index - start]
  }
}

extension UnsafeRawBufferPointer {
  /// The place of the first occurrence of `part`, which is not empty.
  func firstPlace(of part: [UInt8], from start: Int = 0) -> Int? {
    guard let base = baseAddress, let first = part.first else { return nil }
    let end = count - part.count + 1
    var start = start
    while start < end, let next = memchr(base + start, Int32(first), end - start) {
      let place = UnsafeRawPointer(next) - base
      if memcmp(base + place, part, part.count) == 0 { return place }
      start = place + 1
    }
    return nil
  }
}
