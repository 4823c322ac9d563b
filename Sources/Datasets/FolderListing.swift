#if canImport(Glibc)
  import Glibc
#endif

/// The kind of object at a path; links are followed.
enum PathKind {
  case absent, folder
  /// A file, or a pipe or device, which is detected when it is opened.
  case file

  init(_ path: String) {
    var status = stat()
    guard !path.utf8.contains(0), stat(path, &status) == 0 else {
      self = .absent
      return
    }
    self = status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
  }
}

/// Lists folders and expands patterns.
struct FolderListing {
  /// The names in a folder without "." and "..", unordered.
  /// - Throws: `DatasetError.unreadable`.
  static func names(in folder: String) throws(DatasetError) -> [String] {
    guard let stream = opendir(folder) else {
      throw .unreadable(path: folder, reason: String(cString: strerror(errno)))
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Every file below a folder but hidden ones, sorted by the bytes of their paths.
  /// - Throws: `DatasetError.unreadable`.
  static func files(below folder: String) throws(DatasetError) -> [String] {
    var found: [String] = []
    try collect(folder, ["**"], [], &found)
    return sorted(found)
  }

  /// Every file that a pattern matches, sorted by the bytes of their paths; `**` matches any number
  /// of folders. A matching folder stands for all files below it.
  /// - Throws: `DatasetError.unreadable`.
  static func files(matching pattern: String) throws(DatasetError) -> [String] {
    let parts = pattern.split(separator: "/").map(String.init)
    var found: [String] = []
    try collect(pattern.hasPrefix("/") ? "/" : ".", parts[...], [], &found)
    if !pattern.hasPrefix("/") { found = found.map { String($0.dropFirst(2)) } }
    return sorted(found)
  }

  /// The path of `name` in `folder`.
  static func join(_ folder: String, _ name: String) -> String {
    if name.hasPrefix("/") || folder.isEmpty { return name }
    return folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  private static func sorted(_ paths: [String]) -> [String] {
    Array(Set(paths)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// - Parameter visited: the folders above this one, so that links back to them are not followed.
  private static func collect(
    _ folder: String, _ parts: ArraySlice<String>, _ visited: [Identity], _ found: inout [String]
  ) throws(DatasetError) {
    guard let part = parts.first else {
      found += try files(below: folder)
      return
    }
    let rest = parts.dropFirst()
    if !GlobPattern.isPattern(part) {
      try take(join(folder, part), rest, visited, &found)
      return
    }
    if part == "**" {
      guard let identity = Identity(folder), !visited.contains(identity) else { return }
      if !rest.isEmpty { try collect(folder, rest, visited, &found) }
      for name in try names(in: folder) where !name.hasPrefix(".") {
        let path = join(folder, name)
        switch PathKind(path) {
        case .absent: continue
        case .folder: try collect(path, parts, visited + [identity], &found)
        case .file: if rest.isEmpty { found.append(path) }
        }
      }
      return
    }
    let pattern = GlobPattern(part)
    for name in try names(in: folder) where pattern.matches(name) {
      try take(join(folder, name), rest, visited, &found)
    }
  }

  private static func take(
    _ path: String, _ rest: ArraySlice<String>, _ visited: [Identity], _ found: inout [String]
  ) throws(DatasetError) {
    switch PathKind(path) {
    case .absent: return
    case .folder: try collect(path, rest, visited, &found)
    case .file: if rest.isEmpty { found.append(path) }
    }
  }

  /// Identifies a folder independently of the path that leads to it.
  private struct Identity: Equatable {
    let device: UInt64, number: UInt64

    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt64(status.st_dev)
      number = UInt64(status.st_ino)
    }
  }
}
