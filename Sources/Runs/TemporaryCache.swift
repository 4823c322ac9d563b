import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// A temporary folder for token ids, removed when the command ends.
final class TemporaryCache {
  let path: String
  private let folder: OpenFolder?

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/sparseft-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw StorageError.cannotCreate(
        path: "\(base)/sparseft-XXXXXX", reason: String(cString: strerror(errno)))
    }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    folder = OpenFolder(path)
  }

  /// The folder was created here, so all its files are the command's own; none is a folder.
  deinit {
    for name in folder?.names ?? [] { folder?.removeFile(name) }
    rmdir(path)
  }

  /// A path made absolute, relative to the current folder.
  static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
  }
}
