import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// Rewrites a file in place, without the care of `AtomicFile`: many thousand times a second.
enum ScratchWriter {
  static func write(_ bytes: [UInt8], to path: String) throws(StorageError) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .cannotCreate(path: path, reason: "opening it failed") }
    defer { close(file) }
    guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
      throw .writeFailed(path: path, reason: "it is not whole")
    }
  }
}
