#if canImport(Glibc)
  import Glibc
#endif

/// A file that appears complete or not at all. Bytes go to an unnamed file; `commit` syncs them,
/// links the file under a temporary name in the same folder and renames it. Without a commit
/// nothing remains, even if the process is killed. (On file systems without unnamed files the
/// temporary name exists from the start, and only a kill leaves it behind.)
///
/// A file that is replaced passes its permissions on; a new one gets those of the umask. A symbolic
/// link stays, and what it leads to is replaced.
public final class AtomicFile {
  /// The path as given.
  public let path: String
  /// The path that the file gets at commit: `path`, or what it links to.
  private let target: String
  /// Bytes written so far, including padding.
  public private(set) var position = 0

  private var descriptor: Int32
  private var temporary: String?
  /// False for a caller's descriptor, which is written to without renaming.
  private var takesName = true
  private static let zeros = [UInt8](repeating: 0, count: 4096)

  /// Starts a file beside `path`, or beside what `path` links to, whose folder must exist.
  /// - Parameter mode: who may read and write the file, whatever the process's mask takes away; nil for
  ///   who may read the file that it replaces or, of a new file, for what the mask leaves.
  /// - Throws: `StorageError.cannotCreate`, also where the path leads to something other than a
  ///   file.
  public init(path: String, mode: mode_t? = nil) throws(StorageError) {
    self.path = path
    let output = try OutputPath(path)
    target = output.target
    // What belongs to one person must not be readable while it is written, either.
    let kept = mode ?? output.mode
    let nameless = open(
      Self.folder(of: target), O_WRONLY | Self.nameless | O_CLOEXEC, kept ?? 0o666)
    if nameless >= 0 {
      descriptor = nameless
      keep(kept)
      return
    }
    for _ in 0..<100 {
      let name = Self.temporaryName(for: target)
      let opened = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kept ?? 0o666)
      if opened >= 0 {
        descriptor = opened
        temporary = name
        keep(kept)
        return
      }
      guard errno == EEXIST else { break }
    }
    throw .cannotCreate(path: path, reason: systemMessage(errno))
  }

  /// Starts a file that never gets a name, in `folder`: whatever becomes of the process, nothing stays
  /// of it. `mapped` takes the place of `commit`.
  /// - Throws: `StorageError.cannotCreate`.
  public init(namelessIn folder: String) throws(StorageError) {
    path = "\(folder)/(a file without a name)"
    target = path
    takesName = false
    descriptor = try ScratchFile.open(in: folder)
  }

  /// Gives the file the permissions of the one that it replaces, whatever the umask; on file systems
  /// without permissions there is nothing to keep.
  private func keep(_ mode: mode_t?) {
    if let mode { _ = fchmod(descriptor, mode) }
  }

  /// O_TMPFILE, a macro that Swift does not import.
  package static let nameless = 0o20_000_000 | O_DIRECTORY

  /// Whether a file name has the form of the temporary names used here.
  static func isTemporaryName(_ name: String) -> Bool {
    name.hasPrefix(".sparseft-") && name.hasSuffix(".partial")
  }

  /// Removes what killed writers left in a folder, if it is old enough not to be another writer's.
  public static func removeLeftovers(in folder: String) {
    guard let opened = OpenFolder(folder), let names = try? opened.names() else { return }
    for name in names where isTemporaryName(name) {
      guard let age = opened.secondsSinceChange(ofFile: name), age > 600 else { continue }
      opened.removeFile(name)
    }
  }

  package static func temporaryName(for path: String) -> String {
    var random = SystemRandomNumberGenerator()
    return "\(folder(of: path))/.sparseft-\(String(random.next(), radix: 36)).partial"
  }

  /// Writes to a descriptor opened by the caller, without a temporary name, so that tests can
  /// simulate a full disk.
  package init(path: String, descriptor: Int32) {
    self.path = path
    target = path
    self.descriptor = descriptor
    takesName = false
  }

  deinit { abort() }

  /// Appends bytes.
  /// - Throws: `StorageError.writeFailed`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
    try put(bytes, at: nil)
    position += bytes.count
  }

  /// Appends bytes.
  /// - Throws: `StorageError.writeFailed`.
  public func write(_ bytes: [UInt8]) throws(StorageError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(StorageError) in
      try write(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Appends zeros until `position` is `offset`, which must not be less than `position`.
  /// - Throws: `StorageError.writeFailed`.
  public func pad(to offset: Int) throws(StorageError) {
    precondition(offset >= position, "padding backwards in \(path)")
    while position < offset {
      let count = min(offset - position, Self.zeros.count)
      try write(count == Self.zeros.count ? Self.zeros : Array(Self.zeros[..<count]))
    }
  }

  /// Overwrites bytes written earlier, such as a preamble; `position` is unchanged.
  /// - Throws: `StorageError.writeFailed`.
  public func overwrite(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
    precondition(offset >= 0 && offset + bytes.count <= position, "overwriting beyond \(path)")
    try bytes.withUnsafeBufferPointer { (buffer) throws(StorageError) in
      try put(UnsafeRawBufferPointer(buffer), at: offset)
    }
  }

  /// Syncs the bytes, renames the file to `path` and syncs the folder. Nothing may be written
  /// afterwards.
  /// - Throws: `StorageError.writeFailed`, or `.cannotCreate` where the name can't be taken.
  public func commit() throws(StorageError) {
    precondition(descriptor >= 0, "\(path) was committed or aborted before")
    guard fsync(descriptor) == 0 else { throw failed(errno) }
    if temporary == nil, takesName { try giveTemporaryName() }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failed(errno) }
    guard let temporary else { return }
    guard rename(temporary, target) == 0 else {
      let reason = systemMessage(errno)
      abort()
      throw .cannotCreate(path: path, reason: reason)
    }
    self.temporary = nil
    let folder = open(Self.folder(of: target), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder >= 0 {
      // Some file systems refuse to sync a folder; the file itself is safe by now.
      _ = fsync(folder)
      close(folder)
    }
  }

  /// The bytes of a file that gets no name. Nothing may be written afterwards.
  /// - Throws: what `MappedFile` throws.
  public func mapped() throws(StorageError) -> MappedFile {
    precondition(descriptor >= 0 && !takesName, "\(path) has, or had, a name")
    defer { abort() }
    return try MappedFile(path: "/proc/self/fd/\(descriptor)")
  }

  /// Links the unnamed file into the folder under a temporary name.
  private func giveTemporaryName() throws(StorageError) {
    let name = Self.temporaryName(for: target)
    let source = "/proc/self/fd/\(descriptor)"
    guard linkat(AT_FDCWD, source, AT_FDCWD, name, Int32(AT_SYMLINK_FOLLOW)) == 0 else {
      let reason = systemMessage(errno)
      abort()
      throw .cannotCreate(path: path, reason: reason)
    }
    temporary = name
  }

  /// Drops what was written; does nothing after a commit.
  public func abort() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    if let temporary { unlink(temporary) }
    temporary = nil
  }

  /// Writes a whole file.
  /// - Throws: `StorageError`.
  public static func write(_ bytes: [UInt8], to path: String) throws(StorageError) {
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int?) throws(StorageError) {
    precondition(descriptor >= 0, "\(path) was committed or aborted before")
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let count =
        if let offset {
          pwrite(descriptor, part.baseAddress, part.count, off_t(offset + rest.startIndex))
        } else {
          Glibc.write(descriptor, part.baseAddress, part.count)
        }
      if count < 0 {
        guard errno == EINTR else { throw failed(errno) }
      } else {
        rest = rest.dropFirst(count)
      }
    }
  }

  private func failed(_ number: Int32) -> StorageError {
    let reason = systemMessage(number)
    abort()
    return .writeFailed(path: path, reason: reason)
  }

  /// The folder that holds `path`.
  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
