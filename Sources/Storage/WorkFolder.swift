#if canImport(Glibc)
  import Glibc
#endif

/// A working folder that the program creates among a user's files and removes when it is done.
///
/// A marker file identifies it. Only a real folder with the marker is used or removed, and only
/// files that the program writes there are deleted; if anything else is in it, that and the folder
/// stay. No symbolic link is followed, neither at the folder's path nor inside it.
public struct WorkFolder: Sendable {
  /// What the program writes into a folder: file names, and subfolders with their own contents.
  public struct Contents: Sendable {
    fileprivate let isFile: @Sendable (String) -> Bool
    fileprivate let folder: @Sendable (String) -> Contents?

    /// - Parameters:
    ///   - isFile: whether the program writes a file with that name.
    ///   - folder: contents of a subfolder with that name; nil if the program creates none.
    public init(
      isFile: @escaping @Sendable (String) -> Bool = { _ in false },
      folder: @escaping @Sendable (String) -> Contents? = { _ in nil }
    ) {
      self.isFile = { isFile($0) || $0 == WorkFolder.markerName || AtomicFile.isTemporaryName($0) }
      // A folder that was to be marked when the process was killed.
      self.folder = { folder($0) ?? (AtomicFile.isTemporaryName($0) ? Contents() : nil) }
    }
  }

  /// The marker file that identifies the folder as the program's own.
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

  /// The opened folder, if it exists and is the program's own.
  private var own: OpenFolder? {
    guard let folder = OpenFolder(path),
      folder.read(Self.markerName, count: Self.marker.count) == Self.marker
    else { return nil }
    return folder
  }

  /// Whether the folder exists and is the program's own.
  public var exists: Bool { own != nil }

  /// Checks that the folder can be created or is the program's own, before hours are spent on what
  /// will be written there.
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
    for name in try folder.names() where !AtomicFile.isTemporaryName(name) {
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

  /// Creates the folder and its missing parents; an existing folder of the program's own is fine.
  ///
  /// - Throws: `StorageError.occupied` as in `check`, and what creating a folder throws.
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

  /// Removes what the program wrote into the folder, then the folder if it is empty. A folder that
  /// is not the program's own is left alone.
  public func remove() {
    guard let own else { return }
    Self.clear(own, contents)
    rmdir(path)
  }

  /// Removes what the program wrote as one entry of the folder.
  public func remove(_ name: String) {
    if let own { Self.remove(name, in: own, contents) }
  }

  /// The marker is removed last, and only if nothing else is left in the folder.
  private static func clear(_ folder: OpenFolder, _ contents: Contents) {
    for name in (try? folder.names()) ?? [] where name != markerName {
      remove(name, in: folder, contents)
    }
    if (try? folder.names()) == [markerName] { remove(markerName, in: folder, contents) }
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
