#if canImport(Glibc)
  import Glibc
#endif

/// A folder held open, so that nothing done in it is led elsewhere: neither the folder nor an entry
/// of it is reached through a symbolic link.
package final class OpenFolder {
  private let descriptor: Int32

  /// Opens a real folder; nil for a link, a file or nothing.
  package init?(_ path: String) {
    descriptor = open(path, Self.flags)
    if descriptor < 0 { return nil }
  }

  /// Opens a real folder that is an entry of another one.
  init?(_ name: String, in parent: OpenFolder) {
    descriptor = openat(parent.descriptor, name, Self.flags)
    if descriptor < 0 { return nil }
  }

  private static let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Names of the entries, in no order.
  package var names: [String] {
    let again = openat(descriptor, ".", Self.flags)
    guard again >= 0, let stream = fdopendir(again) else { return [] }
    defer { closedir(stream) }
    return Folder.names(stream)
  }

  /// The entry's mode, a link's being its own; nil without such an entry.
  func mode(_ name: String) -> mode_t? {
    var status = stat()
    return fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode : nil
  }

  /// Removes an entry that is no folder.
  package func removeFile(_ name: String) { unlinkat(descriptor, name, 0) }

  /// Removes an entry that is an empty folder; anything else stays.
  func removeFolder(_ name: String) { unlinkat(descriptor, name, AT_REMOVEDIR) }

  /// The first bytes of a file, at most `count`; nil for a link or what can't be read.
  func read(_ name: String, count: Int) -> [UInt8]? {
    let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: count)
    let read = Glibc.read(file, &bytes, count)
    return read < 0 ? nil : Array(bytes[..<read])
  }

  /// Writes a small file that was not there; nothing is left of it if that fails.
  ///
  /// - Returns: the system's error number; 0 if it was written.
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
