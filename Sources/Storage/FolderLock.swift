#if canImport(Glibc)
  import Glibc
#endif

/// A folder held by one process at a time. The system releases it when the process ends, however it
/// ends, so no lock is ever stale. On file systems without locks nothing is held.
public final class FolderLock {
  /// The file in the folder that is locked; it names the process, and goes with the lock.
  public static let fileName = ".sparseft.lock"

  private let path: String
  private let descriptor: Int32

  /// Holds a folder, which must exist.
  ///
  /// - Throws: `StorageError.busy` where another process holds it, `.cannotCreate`.
  public init(_ folder: String) throws(StorageError) {
    path = "\(folder)/\(Self.fileName)"
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
      guard descriptor >= 0 else {
        throw .cannotCreate(path: path, reason: systemMessage(errno))
      }
      if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        let holder = Self.holder(descriptor)
        close(descriptor)
        throw .busy(path: folder, process: holder)
      }
      // The file may have been removed, with the lock on it, after it was opened.
      guard Self.isFile(descriptor, at: path) else {
        close(descriptor)
        continue
      }
      self.descriptor = descriptor
      break
    }
    let text = Array("\(getpid())\n".utf8)
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
  }

  deinit {
    unlink(path)
    close(descriptor)
  }

  /// Whether the process that a folder's lock names is alive. Nothing is locked to find out, so that
  /// looking on never keeps a process from starting.
  public static func isHeld(_ folder: String) -> Bool {
    let descriptor = open("\(folder)/\(fileName)", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard let process = holder(descriptor).flatMap({ pid_t(exactly: $0) }), process > 0 else {
      return false
    }
    return kill(process, 0) == 0 || errno == EPERM
  }

  /// The process that the file names; nil where it names none.
  private static func holder(_ descriptor: Int32) -> Int? {
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return Int(String(decoding: bytes[..<count].prefix { $0 != 10 }, as: UTF8.self))
  }

  private static func isFile(_ descriptor: Int32, at path: String) -> Bool {
    var (own, named) = (stat(), stat())
    return fstat(descriptor, &own) == 0 && lstat(path, &named) == 0
      && FileIdentity(own).place == FileIdentity(named).place
  }
}
