#if canImport(Glibc)
  import Glibc
#endif

/// What tells one state of a file or a folder from another: where it is, how long, and when it was
/// changed.
package struct FileIdentity: Hashable, Sendable {
  /// Where a file is, whatever path leads to it.
  package struct Place: Hashable, Sendable {
    private let device, number: UInt64

    fileprivate init(_ status: stat) {
      (device, number) = (UInt64(status.st_dev), UInt64(status.st_ino))
    }
  }

  package let place: Place
  /// Bytes.
  package let count: Int
  /// When its contents were last written to, and when anything of it was changed, its name and mode
  /// included; in nanoseconds.
  package let modified, changed: Int64

  package init(_ status: stat) {
    func nanoseconds(_ time: timespec) -> Int64 {
      Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
    place = Place(status)
    count = Int(status.st_size)
    (modified, changed) = (nanoseconds(status.st_mtim), nanoseconds(status.st_ctim))
  }

  /// - Throws: `StorageError.readFailed`.
  package init(_ descriptor: Int32, path: String) throws(StorageError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .readFailed(path: path, reason: systemMessage(errno))
    }
    self.init(status)
  }

  /// Whether it is the same file with the same contents, though perhaps with another name or mode.
  package func hasContents(of other: FileIdentity) -> Bool {
    (place, count, modified) == (other.place, other.count, other.modified)
  }
}
