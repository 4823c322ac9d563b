#if canImport(Glibc)
  import Glibc
#endif

/// A folder that the program makes for itself among a user's files, for as long as it needs it.
///
/// A marker in it says whose it is. Only a real folder with the marker is used or removed, and of
/// what is in it only what the program writes there; whatever else somebody put into it stays, and
/// the folder then stays too. No symbolic link is followed, neither in its place nor in it.
public struct WorkFolder: Sendable {
  /// What the program writes into a folder: names of files, and of folders with their own contents.
  public struct Contents: Sendable {
    fileprivate let isFile: @Sendable (String) -> Bool
    fileprivate let folder: @Sendable (String) -> Contents?

    /// - Parameters:
    ///   - isFile: whether the program gives a file that name.
    ///   - folder: what it writes into a folder of that name; nil where it makes none.
    public init(
      isFile: @escaping @Sendable (String) -> Bool = { _ in false },
      folder: @escaping @Sendable (String) -> Contents? = { _ in nil }
    ) {
      self.isFile = { isFile($0) || $0 == WorkFolder.markerName || AtomicFile.isTemporaryName($0) }
      // A folder that was to be marked when the process was killed.
      self.folder = { folder($0) ?? (AtomicFile.isTemporaryName($0) ? Contents() : nil) }
    }
  }

  /// The file that says that the folder is the program's own.
  public static let markerName = ".sparseft"
  private static let marker = Array("made by sparseft, which removes it with its own files\n".utf8)

  public let path: String
  private let contents: Contents

  /// - Parameters:
  ///   - path: without a slash at the end.
  ///   - contents: what the program writes there.
  public init(_ path: String, _ contents: Contents) {
    self.path = path
    self.contents = contents
  }

  /// The folder if it is there and the program's own.
  private var own: OpenFolder? {
    guard let folder = OpenFolder(path),
      folder.read(Self.markerName, count: Self.marker.count) == Self.marker
    else { return nil }
    return folder
  }

  /// Whether the folder is there and the program's own.
  public var exists: Bool { own != nil }

  /// Checks that the folder could be made or is the program's own, before hours go into what is to
  /// be written there.
  ///
  /// - Throws: `StorageError.occupied` where something else has its name or that of an entry.
  public func check() throws(StorageError) {
    guard let own else {
      var status = stat()
      guard lstat(path, &status) == 0 else { return }
      throw .occupied(path: path, found: kindOfFile(status.st_mode))
    }
    try Self.check(own, path, contents)
  }

  private static func check(
    _ folder: OpenFolder, _ path: String, _ contents: Contents
  ) throws(StorageError) {
    for name in folder.names where !AtomicFile.isTemporaryName(name) {
      guard let mode = folder.mode(name) else { continue }
      let inner = contents.folder(name)
      let expected: mode_t? =
        inner != nil ? S_IFDIR : contents.isFile(name) ? S_IFREG : nil
      guard let expected else { continue }
      guard mode & S_IFMT == expected else {
        throw .occupied(path: "\(path)/\(name)", found: kindOfFile(mode))
      }
      if let inner, let opened = OpenFolder(name, in: folder) {
        try check(opened, "\(path)/\(name)", inner)
      }
    }
  }

  /// Makes the folder and the ones above it; one that is there and the program's own is fine.
  ///
  /// - Throws: `StorageError.occupied` as `check` does; what creating throws.
  public func create() throws(StorageError) {
    try check()
    if exists { return }
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
      try Folder.create(String(path[..<slash]))
    }
    // Under its own name only once it is marked: a folder that a killed process left without a marker
    // would be taken for somebody else's.
    let temporary = AtomicFile.temporaryName(for: path)
    guard mkdir(temporary, 0o777) == 0, let folder = OpenFolder(temporary) else {
      throw .cannotCreate(path: path, reason: systemMessage(errno))
    }
    let number = folder.write(Self.marker, to: Self.markerName)
    guard number == 0 else {
      rmdir(temporary)
      throw .writeFailed(path: "\(path)/\(Self.markerName)", reason: systemMessage(number))
    }
    guard rename(temporary, path) == 0 else {
      let reason = systemMessage(errno)
      folder.removeFile(Self.markerName)
      rmdir(temporary)
      throw .cannotCreate(path: path, reason: reason)
    }
  }

  /// Removes what the program wrote into the folder, and the folder if nothing else is in it. A
  /// folder that is not the program's own stays as it is.
  public func remove() {
    guard let own else { return }
    Self.clear(own, contents)
    rmdir(path)
  }

  /// Removes what the program wrote as one entry of the folder.
  public func remove(_ name: String) {
    if let own { Self.remove(name, in: own, contents) }
  }

  /// The marker goes last, and only where nothing is left beside it.
  private static func clear(_ folder: OpenFolder, _ contents: Contents) {
    for name in folder.names where name != markerName { remove(name, in: folder, contents) }
    if folder.names == [markerName] { remove(markerName, in: folder, contents) }
  }

  private static func remove(_ name: String, in parent: OpenFolder, _ contents: Contents) {
    guard let mode = parent.mode(name) else { return }
    if mode & S_IFMT == S_IFREG, contents.isFile(name) { parent.removeFile(name) }
    guard mode & S_IFMT == S_IFDIR, let inner = contents.folder(name),
      let folder = OpenFolder(name, in: parent)
    else { return }
    clear(folder, inner)
    parent.removeFolder(name)
  }
}
