#if canImport(Glibc)
  import Glibc
#endif

/// An unnamed temporary file that only this process reads back; the system frees it when it is
/// closed, even if the process is killed.
///
/// It is read and written at offsets and never mapped, so it does not count as resident memory.
public final class ScratchFile {
  /// The folder whose file system holds the bytes.
  public let folder: String
  private let descriptor: Int32

  /// - Throws: `StorageError.cannotCreate` if the folder takes no file.
  public init(folder: String) throws(StorageError) {
    self.folder = folder
    descriptor = try Self.open(in: folder)
  }

  /// Opens a new file without a name, for this user alone.
  static func open(in folder: String) throws(StorageError) -> Int32 {
    let nameless = Glibc.open(folder, O_RDWR | AtomicFile.nameless | O_CLOEXEC, 0o600)
    if nameless >= 0 { return nameless }
    // On file systems without unnamed files, the name is removed at once.
    var template = Array("\(folder)/.sparseft-scratch-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw .cannotCreate(path: "\(folder)/(scratch file)", reason: systemMessage(errno))
    }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
  }

  /// Uses a descriptor opened by the caller, so that tests can simulate a full disk.
  package init(folder: String, descriptor: Int32) {
    self.folder = folder
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Writes bytes at an offset; a gap between the file's end and the offset reads as zeros and
  /// takes no disk space.
  /// - Throws: `StorageError.writeFailed`.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw .writeFailed(
          path: folder, reason: count < 0 ? systemMessage(errno) : "no byte was taken")
      }
      done += count
    }
  }

  /// Fills a buffer with the bytes at an offset.
  /// - Throws: `StorageError.readFailed`, also where the file ends too early.
  public func read(
    into bytes: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(StorageError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw .readFailed(
          path: folder,
          reason: count < 0
            ? systemMessage(errno)
            : "the scratch file ends at byte \(offset + done), expected \(offset + bytes.count)")
      }
      done += count
    }
  }
}
