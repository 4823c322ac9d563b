#if canImport(Glibc)
  import Glibc
#endif

/// Operations on folders and paths.
public enum Folder {
  /// Creates a folder and its missing parents; an existing folder is not an error.
  ///
  /// - Parameter isPrivate: whether only the user may look into it, if it is created.
  /// - Throws: `StorageError` if it can't be created or a file is in its place.
  public static func create(_ path: String, isPrivate: Bool = false) throws(StorageError) {
    var partial = path.hasPrefix("/") ? "/" : ""
    let components = path.split(separator: "/")
    for (depth, component) in components.enumerated() {
      partial += (partial.isEmpty || partial == "/" ? "" : "/") + component
      let isLast = depth == components.count - 1
      if mkdir(partial, isLast && isPrivate ? 0o700 : 0o777) == 0 { continue }
      let number = errno
      var status = stat()
      guard stat(partial, &status) == 0 else {
        throw .cannotCreate(path: partial, reason: systemMessage(number))
      }
      guard status.st_mode & S_IFMT == S_IFDIR else {
        throw .cannotCreate(
          path: partial, reason: "\(kindOfFile(status.st_mode)) of that name exists",
          advice: takenNameAdvice)
      }
    }
  }

  /// Creates a folder for `body`, which fills it. If `body` throws, the folders that were created are
  /// removed again, as far as they are empty.
  ///
  /// - Parameter isPrivate: as for `create`.
  public static func creating<Result>(
    _ path: String, isPrivate: Bool = false, _ body: () throws -> Result
  ) throws -> Result {
    var created: [String] = []
    var missing = path
    while !missing.isEmpty, missing != "/", !exists(missing) {
      created.append(missing)
      missing = String(missing[..<(missing.lastIndex(of: "/") ?? missing.startIndex)])
    }
    try create(path, isPrivate: isPrivate)
    do {
      return try body()
    } catch {
      for folder in created { rmdir(folder) }
      throw error
    }
  }

  /// Bytes available to this user on the folder's file system; nil if it does not report them.
  public static func availableBytes(_ path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(
      by: UInt64(status.f_frsize))
    return overflow ? .max : Int(clamping: bytes)
  }

  /// The current folder; nil if it is gone.
  public static var current: String? {
    guard let folder = getcwd(nil, 0) else { return nil }
    defer { free(folder) }
    return String(cString: folder)
  }

  /// A path made absolute, relative to the current folder.
  public static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let current else { return path }
    return current + "/" + path
  }

  /// Whether anything exists at the path, be it a link to nothing: half a download looks like that,
  /// and reading it is to fail rather than to be passed over.
  public static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// The mode of what is at the path, without following a link; nil if nothing is there.
  package static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode : nil
  }

  /// When a file was last written to, in nanoseconds since 1970; nil if there is none.
  public static func modified(_ path: String) -> Int64? {
    var status = stat()
    return stat(path, &status) == 0 ? FileIdentity(status).modified : nil
  }

  /// Whether only their owner may read a file or a folder.
  public static func isPrivate(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o077 == 0
  }

  /// Whether a folder is at the path.
  public static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Renames a file within its file system, replacing any file at the new path.
  ///
  /// - Throws: `StorageError.cannotCreate`.
  public static func move(_ path: String, to target: String) throws(StorageError) {
    guard rename(path, target) == 0 else {
      throw .cannotCreate(path: target, reason: systemMessage(errno))
    }
  }

  /// Names of a folder's entries, unordered; empty if there is no such folder.
  /// - Throws: `StorageError.readFailed`, also where there is no memory for the folder's list.
  public static func names(_ path: String) throws(StorageError) -> [String] {
    guard let folder = opendir(path) else {
      if errno == ENOENT || errno == ENOTDIR { return [] }
      throw .readFailed(path: path, reason: systemMessage(errno))
    }
    defer { closedir(folder) }
    return try names(folder, path)
  }

  /// The remaining entries of an open directory stream, without `.` and `..`.
  ///
  /// - Parameter path: the folder's, for messages.
  static func names(_ folder: OpaquePointer, _ path: String) throws(StorageError) -> [String] {
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(folder) else {
        if errno == 0 { return names }
        throw .readFailed(path: path, reason: systemMessage(errno))
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
  }
}
