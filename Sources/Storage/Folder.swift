#if canImport(Glibc)
  import Glibc
#endif

/// Folders and the existence of paths.
public enum Folder {
  /// Creates a folder and the ones above it; one that is there already is fine.
  ///
  /// - Throws: `StorageError` if it can't be created or a file is in its place.
  public static func create(_ path: String) throws(StorageError) {
    var partial = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
      partial += (partial.isEmpty || partial == "/" ? "" : "/") + component
      if mkdir(partial, 0o777) == 0 { continue }
      let number = errno
      var status = stat()
      guard stat(partial, &status) == 0 else {
        throw .cannotCreate(path: partial, reason: systemMessage(number))
      }
      guard status.st_mode & S_IFMT == S_IFDIR else {
        throw .cannotCreate(
          path: partial, reason: "\(kindOfFile(status.st_mode)) of that name exists")
      }
    }
  }

  /// Whether something is at the path.
  public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether a folder is at the path.
  public static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
