#if canImport(Glibc)
  import Glibc
#endif

/// A folder held open by its descriptor, so that operations in it can't be redirected: neither the
/// folder nor its entries are reached through symbolic links.
package final class OpenFolder {
  private let path: String
  private let descriptor: Int32

  /// Opens a real folder; nil for a link, a file or a missing path.
  package init?(_ path: String) {
    self.path = path
    descriptor = open(path, Self.flags)
    if descriptor < 0 { return nil }
  }

  /// Opens a real folder that is an entry of `parent`.
  init?(_ name: String, in parent: OpenFolder) {
    path = "\(parent.path)/\(name)"
    descriptor = openat(parent.descriptor, name, Self.flags)
    if descriptor < 0 { return nil }
  }

  private static let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Names of the entries, unordered.
  /// - Throws: `StorageError.readFailed`.
  package func names() throws(StorageError) -> [String] {
    let again = openat(descriptor, ".", Self.flags)
    guard again >= 0, let stream = fdopendir(again) else {
      let reason = systemMessage(errno)
      if again >= 0 { close(again) }
      throw .readFailed(path: path, reason: reason)
    }
    defer { closedir(stream) }
    return try Folder.names(stream, path)
  }

  /// The entry's mode, without following links; nil if there is no such entry.
  func mode(_ name: String) -> mode_t? {
    var status = stat()
    return fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode : nil
  }

  /// How long ago a file was last written to, in seconds; nil for anything but a file.
  func secondsSinceChange(ofFile name: String) -> Int? {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
      status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    return time(nil) - status.st_mtim.tv_sec
  }

  /// Removes an entry that is no folder.
  package func removeFile(_ name: String) { unlinkat(descriptor, name, 0) }

  /// Removes an entry that is an empty folder; does nothing to anything else.
  func removeFolder(_ name: String) { unlinkat(descriptor, name, AT_REMOVEDIR) }

  /// At most the first `count` bytes of a file; nil for a link or an unreadable file.
  func read(_ name: String, count: Int) -> [UInt8]? {
    let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: count)
    let read = Glibc.read(file, &bytes, count)
    return read < 0 ? nil : Array(bytes[..<read])
  }

  /// Writes a small file that must not exist yet; removes it if writing fails.
  ///
  /// - Returns: the system's error number; 0 on success.
  func write(_ bytes: [UInt8], to name: String) -> Int32 {
    let file = openat(
      descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
    guard file >= 0 else { return errno }
    let count = Glibc.write(file, bytes, bytes.count)
    let number = count == bytes.count ? 0 : count < 0 ? errno : ENOSPC
    close(file)
    if number != 0 { removeFile(name) }
    return number
  }
}
