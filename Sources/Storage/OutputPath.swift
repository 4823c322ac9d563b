#if canImport(Glibc)
  import Glibc
#endif

/// Where a new file's bytes go: the path itself, or what a chain of symbolic links there leads to.
struct OutputPath {
  /// The path to rename to: no symbolic link.
  let target: String
  /// The permission bits of the file that is there; nil if there is none.
  let mode: mode_t?

  /// The most links that are followed, as the system's own limit.
  private static let maximumLinks = 40

  /// Follows links from `path` and checks that a regular file, or nothing, is at their end.
  ///
  /// Links that the system keeps in `/proc` and `/dev`, such as `/dev/stdout`, stand for open
  /// streams: a rename would replace the link, or take the name of a file that another program
  /// holds open, so they are refused.
  ///
  /// - Throws: `StorageError.cannotCreate`.
  init(_ path: String) throws(StorageError) {
    guard !path.isEmpty, !path.hasSuffix("/"), !path.utf8.contains(0) else {
      throw .cannotCreate(
        path: path, reason: "the path names no file", advice: "end it with a file's name")
    }
    var target = path
    for _ in 0...Self.maximumLinks {
      var status = stat()
      guard lstat(target, &status) == 0 else {
        (self.target, mode) = (target, nil)
        return
      }
      switch status.st_mode & S_IFMT {
      case S_IFREG:
        (self.target, mode) = (target, status.st_mode & 0o777)
        return
      case S_IFLNK:
        target = try Self.next(behind: target, path: path)
      default:
        throw .cannotCreate(
          path: path, reason: "\(kindOfFile(status.st_mode)) of that name exists",
          advice: takenNameAdvice)
      }
    }
    throw .cannotCreate(path: path, reason: systemMessage(ELOOP))
  }

  /// What the link at `link` points to.
  private static func next(behind link: String, path: String) throws(StorageError) -> String {
    let folder = AtomicFile.folder(of: link)
    let parts = (resolved(folder) ?? folder).split(separator: "/").map(String.init)
    guard parts != ["dev"], parts.first != "proc", !parts.starts(with: ["dev", "fd"]) else {
      throw .cannotCreate(
        path: path, reason: "it stands for an open stream, and only files are written",
        advice: "name a file")
    }
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { bytes -> Int in
      guard let start = bytes.bindMemory(to: CChar.self).baseAddress else { return 0 }
      return readlink(link, start, bytes.count)
    }
    guard count > 0 else { throw .cannotCreate(path: path, reason: systemMessage(errno)) }
    let name = String(decoding: buffer[..<count], as: UTF8.self)
    guard !name.hasSuffix("/") else {
      throw .cannotCreate(
        path: path, reason: "it is a link to '\(name)', which names no file",
        advice: takenNameAdvice)
    }
    return name.hasPrefix("/") ? name : "\(folder)/\(name)"
  }

  /// A folder's path without links; nil if it does not exist.
  private static func resolved(_ folder: String) -> String? {
    guard let path = realpath(folder, nil) else { return nil }
    defer { free(path) }
    return String(cString: path)
  }
}
