#if canImport(Glibc)
  import Glibc
#endif

/// What a file is and which content it has, as far as the system tells: device, inode, size, and
/// when it was last written to.
struct FileIdentity: Hashable, Sendable {
  private let device: UInt
  private let inode: UInt
  private let size: Int
  private let seconds: Int
  private let nanoseconds: Int

  /// - Throws: `StorageError.readFailed`.
  init(_ descriptor: Int32, path: String) throws(StorageError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .readFailed(path: path, reason: systemMessage(errno))
    }
    (device, inode, size) = (UInt(status.st_dev), UInt(status.st_ino), Int(status.st_size))
    (seconds, nanoseconds) = (Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
  }
}
