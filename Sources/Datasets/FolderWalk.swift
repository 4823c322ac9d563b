import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// A walk through folders along a pattern. Each folder is read at most once for each part of the
/// pattern, however many paths lead to it: under its own name where it has one in the walk, else under
/// the first of the links to it.
struct FolderWalk {
  /// Files found, in no order.
  private(set) var files: [String] = []
  /// What was met and is excluded, with the reason.
  private(set) var excluded: [(path: String, reason: String)] = []

  /// A folder, and how many parts of the pattern led to it.
  private struct Step {
    let path: String
    let identity: FileIdentity.Place
    let part: Int
  }

  private struct Seen: Hashable {
    let identity: FileIdentity.Place
    let part: Int
  }

  private let parts: [String]
  private let name: String
  private let fileLimit: Int
  private var reasons: [FileIdentity.Place: String] = [:]
  private var seen: Set<Seen> = []
  /// Folders to read: those that links lead to only when no other is left.
  private var folders: [Step] = []
  private var links: [Step] = []

  /// - Parameters:
  ///   - parts: the pattern's parts; below what they lead to, all files are found.
  ///   - name: the folder or pattern, for messages.
  init(_ parts: [String], named name: String, excluding: [ExcludedPath], fileLimit: Int) {
    var kept: [String] = []
    // Several "**" in a row match what one does.
    for part in parts where !(part == "**" && kept.last == "**") { kept.append(part) }
    self.parts = kept
    self.name = name
    self.fileLimit = fileLimit
    for path in excluding {
      var status = stat()
      guard stat(path.path, &status) == 0 else { continue }
      reasons[FileIdentity(status).place] = reasons[FileIdentity(status).place] ?? path.reason
    }
  }

  /// Walks from a folder, which is itself not excluded.
  /// - Throws: `DatasetError.unreadable` or `.tooManyFiles`.
  mutating func run(from folder: String) throws(DatasetError) {
    var status = stat()
    guard stat(folder, &status) == 0 else { return }
    folders = [Step(path: folder, identity: FileIdentity(status).place, part: 0)]
    var (nextFolder, nextLink) = (0, 0)
    while true {
      if nextFolder < folders.count {
        try read(folders[nextFolder])
        nextFolder += 1
      } else if nextLink < links.count {
        try read(links[nextLink])
        nextLink += 1
      } else {
        return
      }
    }
  }

  private mutating func read(_ step: Step) throws(DatasetError) {
    guard seen.insert(Seen(identity: step.identity, part: step.part)).inserted else { return }
    let part = step.part < parts.count ? parts[step.part] : "**"
    if !GlobPattern.isPattern(part) {
      return try take(FolderListing.join(step.path, part), step.part + 1)
    }
    let names = try Self.names(in: step.path)
    if part == "**" {
      // Files are found by what follows, or, at the end of the pattern, all of them.
      let isLast = step.part + 1 >= parts.count
      if !isLast {
        folders.append(Step(path: step.path, identity: step.identity, part: step.part + 1))
      }
      for name in names where !name.hasPrefix(".") {
        try take(FolderListing.join(step.path, name), step.part, takesFiles: isLast)
      }
    } else {
      let pattern = GlobPattern(part)
      for name in names where pattern.matches(name) {
        try take(FolderListing.join(step.path, name), step.part + 1)
      }
    }
  }

  /// Takes a file, or a folder to be read from a part of the pattern on.
  private mutating func take(
    _ path: String, _ part: Int, takesFiles: Bool? = nil
  ) throws(DatasetError) {
    var status = stat()
    guard !path.utf8.contains(0), stat(path, &status) == 0 else { return }
    let identity = FileIdentity(status).place
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    guard isFolder || takesFiles ?? (part >= parts.count) else { return }
    if let reason = reasons[identity] {
      excluded.append((path, reason))
    } else if isFolder {
      var own = stat()
      let isLink = lstat(path, &own) == 0 && own.st_mode & S_IFMT == S_IFLNK
      let step = Step(path: path, identity: identity, part: part)
      if isLink { links.append(step) } else { folders.append(step) }
    } else {
      files.append(path)
      guard files.count <= fileLimit else { throw .tooManyFiles(path: name, limit: fileLimit) }
    }
  }

  /// The names in a folder without "." and "..", sorted by their bytes.
  /// - Throws: `DatasetError.unreadable`.
  private static func names(in folder: String) throws(DatasetError) -> [String] {
    guard let stream = opendir(folder) else {
      throw .unreadable(path: folder, reason: systemMessage(errno))
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
