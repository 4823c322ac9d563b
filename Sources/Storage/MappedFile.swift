#if canImport(Glibc)
  import Glibc
#endif

/// A whole file mapped read-only; its pages are read when first touched and dropped by
/// `releasePages`. Mapping and descriptor go with the last reference.
public final class MappedFile: Sendable {
  /// The path that was opened.
  public let path: String
  /// The file's bytes; empty for an empty file. Valid as long as this object.
  public nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
  private let descriptor: Int32
  /// The file as it was when it was opened.
  private let identity: FileIdentity

  /// Maps the file at `path`.
  /// - Throws: `StorageError.cannotOpen`, `.notAFile`, `.readFailed`, or `.pointer` for a stand-in of
  ///   Git LFS.
  public init(path: String) throws(StorageError) {
    self.path = path
    guard !path.utf8.contains(0) else {
      throw .cannotOpen(path: path, reason: "the path holds a NUL character")
    }
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw .cannotOpen(path: path, reason: systemMessage(errno))
    }
    do throws(StorageError) {
      identity = try FileIdentity(descriptor, path: path)
      bytes = try Self.map(descriptor, path: path)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    // Whatever was to be read, this is not it.
    if let pointer = LargeFilePointer(bytes) {
      throw .pointer(path: path, byteCount: pointer.byteCount)
    }
    MappedRegions.add(bytes, path: path)
  }

  /// Checks that the file that was opened is as it was: not cut short and not written to. Another
  /// file under its name does not matter.
  ///
  /// - Throws: `StorageError.changed`.
  public func checkUnchanged() throws(StorageError) {
    guard try FileIdentity(descriptor, path: path).hasContents(of: identity) else {
      throw .changed(path: path)
    }
  }

  private static func map(
    _ descriptor: Int32, path: String
  ) throws(StorageError) -> UnsafeRawBufferPointer {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .readFailed(path: path, reason: systemMessage(errno))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .notAFile(path: path, found: kindOfFile(status.st_mode))
    }
    let count = Int(status.st_size)
    guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let start, start != MAP_FAILED else {
      throw .readFailed(path: path, reason: "mapping \(count) bytes: \(systemMessage(errno))")
    }
    // The page cache may hold the file in huge pages; touching one byte would then map two
    // megabytes around it, including pages just released. If the call fails, that only costs
    // memory.
    _ = madvise(start, count, MADV_NOHUGEPAGE)
    return UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    MappedRegions.remove(bytes)
    if let start = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
    close(descriptor)
  }

  /// Copies bytes of the file without touching the mapping, so its resident pages don't change.
  public func copy(_ range: Range<Int>, into target: UnsafeMutableRawPointer) {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "\(range) of \(path)")
    var done = 0
    while done < range.count {
      let count = pread(descriptor, target + done, range.count - done, range.lowerBound + done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      done += count
    }
    // Bytes that `pread` can't deliver, after a disk error or truncation, are read through the
    // mapping, which has them or ends the process with a message (`MappedRegions`).
    if done < range.count, let start = bytes.baseAddress {
      memcpy(target + done, start + range.lowerBound + done, range.count - done)
    }
  }

  /// Drops the pages that hold `range` from this process's resident memory. The bytes stay
  /// readable: touching them reads the file again.
  ///
  /// - Parameter sparesNeighbours: keep pages that also hold other bytes. Otherwise, when those
  ///   bytes are touched next, the system may map a large block around them, including what was
  ///   released.
  public func releasePages(_ range: Range<Int>, sparesNeighbours: Bool = false) {
    let range = range.clamped(to: 0..<bytes.count)
    guard let start = bytes.baseAddress, !range.isEmpty else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    var (first, end) = (range.lowerBound / page * page, range.upperBound)
    if sparesNeighbours {
      first = (range.lowerBound + page - 1) / page * page
      if end < bytes.count { end = end / page * page }
    }
    guard first < end else { return }
    // If the call fails, that only costs memory, so its result is ignored.
    _ = madvise(UnsafeMutableRawPointer(mutating: start + first), end - first, MADV_DONTNEED)
  }
}
