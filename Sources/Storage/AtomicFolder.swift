#if canImport(Glibc)
  import Glibc
#endif

/// A folder that appears complete or not at all. Files and folders go to a folder of a temporary name
/// beside it; `commit` renames that. Without a commit they are removed again.
public final class AtomicFolder {
  /// The path that the folder gets at commit.
  public let path: String
  private let temporary: String
  private var isCommitted = false
  /// Folders in it, each behind the one that it is in.
  private var inner: [String] = []

  /// Starts a folder; what contains `path` must exist.
  ///
  /// - Throws: `StorageError.cannotCreate`, also where `path` is a file, or a folder that is not
  ///   empty.
  public init(path: String) throws(StorageError) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    guard !path.isEmpty, path != "/", !path.utf8.contains(0) else {
      throw .cannotCreate(
        path: path, reason: "the path names no folder", advice: "end it with a new folder's name")
    }
    if Folder.exists(path) {
      guard Folder.isFolder(path) else {
        throw .cannotCreate(
          path: path, reason: "something other than a folder has that name",
          advice: takenNameAdvice)
      }
      guard try Folder.names(path).isEmpty else {
        throw .cannotCreate(
          path: path, reason: "a folder with files in it has that name", advice: takenNameAdvice)
      }
    }
    self.path = path
    temporary = AtomicFile.temporaryName(for: path)
    guard mkdir(temporary, 0o777) == 0 else {
      throw .cannotCreate(path: path, reason: systemMessage(errno))
    }
  }

  deinit { if !isCommitted { abort() } }

  /// The path of a file in the folder until `commit`.
  public func path(of name: String) -> String { "\(temporary)/\(name)" }

  /// Makes a folder in the folder; the one that it is in must be there.
  /// - Throws: `StorageError.cannotCreate`.
  public func makeFolder(_ name: String) throws(StorageError) {
    guard mkdir(path(of: name), 0o777) == 0 else {
      throw .cannotCreate(path: "\(path)/\(name)", reason: systemMessage(errno))
    }
    inner.append(name)
  }

  /// Writes a small file into the folder.
  /// - Throws: `StorageError`.
  public func write(_ bytes: [UInt8], to name: String) throws(StorageError) {
    try AtomicFile.write(bytes, to: path(of: name))
  }

  /// Gives the folder its name; an empty folder of that name is replaced.
  /// - Throws: `StorageError.cannotCreate`.
  public func commit() throws(StorageError) {
    guard rename(temporary, path) == 0 else {
      throw .cannotCreate(path: path, reason: systemMessage(errno))
    }
    isCommitted = true
  }

  /// Removes the files that were written; all of them are this program's own.
  private func abort() {
    for folder in inner.reversed().map(path(of:)) + [temporary] {
      for name in (try? Folder.names(folder)) ?? [] { unlink("\(folder)/\(name)") }
      rmdir(folder)
    }
  }
}
