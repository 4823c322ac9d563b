import Records
import Storage
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// A run's output folder, held by this process while it works there.
///
/// Only what this program wrote is ever moved or removed: files are known by name and by what is in
/// them, and no link is followed. A new run in a folder that holds another one sets that aside
/// whole, under the folder's name with a number.
public final class RunFolder {
  public let path: String
  private let overwrites: Bool
  private let lock: FolderLock
  /// Whether this process made the folder, and so removes it if nothing comes of it.
  private let isNew: Bool

  /// Creates the folder if it is missing, holds it, and makes up for an earlier process that was
  /// killed while it set a run aside.
  ///
  /// - Parameters:
  ///   - resuming: the folder's run goes on; it stays where it is.
  ///   - overwrites: a new run replaces the folder's run instead of setting it aside.
  /// - Throws: `StorageError.busy` where another process works there, `.occupied` where a file of
  ///   somebody else's has the name of one of a run's, `.cannotCreate`.
  public init(
    _ path: String, resuming: Bool = false, overwrites: Bool = false
  ) throws(StorageError) {
    self.path = path
    self.overwrites = overwrites
    isNew = !Folder.exists(path)
    try Folder.create(path)
    lock = try FolderLock(path)
    removeLeftovers()
    if resuming, Folder.exists(staging) {
      try RunContents.move(from: staging, to: path)
      rmdir(staging)
    }
    if !resuming { try RunContents.check(path) }
  }

  deinit {
    // The lock's file goes with the lock, after this; a folder with anything else in it stays.
    if isNew, (try? Folder.names(path)) == [FolderLock.fileName] {
      unlink("\(path)/\(FolderLock.fileName)")
      rmdir(path)
    }
  }

  /// Makes room for a new run.
  ///
  /// - Returns: what to tell about the run that was there; nil if there was none.
  /// - Throws: `StorageError.cannotCreate` where it can't be moved.
  public func makeRoom() throws(StorageError) -> String? {
    guard RunContents.exist(in: path) || Folder.exists(staging) else { return nil }
    if overwrites {
      try RunContents.remove(from: path)
      if Folder.exists(staging) {
        try RunContents.remove(from: staging)
        rmdir(staging)
      }
      return nil
    }
    // Under a hidden name until all of it is there, so that a kill can't leave halves of a run.
    try Folder.create(staging)
    try RunContents.move(from: path, to: staging)
    let target = freeName
    try Folder.move(staging, to: target)
    return "the run that was in '\(path)' is now in '\(target)' (--overwrite replaces it instead)"
  }

  private var staging: String { "\(path)/.sparseft-earlier" }

  /// The folder's path with the first number that nothing has.
  private var freeName: String {
    var number = 1
    while Folder.exists("\(path)-\(number)") { number += 1 }
    return "\(path)-\(number)"
  }

  /// Removes files that killed writers left behind.
  private func removeLeftovers() {
    for folder in ["", "/best", "/last", "/cache"] { AtomicFile.removeLeftovers(in: path + folder) }
  }
}
