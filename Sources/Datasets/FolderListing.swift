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

/// A file or folder that is no training text, wherever a folder or pattern leads to it: a recipe, a
/// run's own folder.
public struct ExcludedPath: Hashable, Sendable {
  public let path: String
  /// What it is, for messages: "it is the recipe".
  public let reason: String

  public init(_ path: String, _ reason: String) {
    self.path = path
    self.reason = reason
  }
}

/// Lists folders and expands patterns.
struct FolderListing {
  /// Files found, sorted by the bytes of their paths.
  private(set) var files: [String] = []
  /// What was met and is excluded, with the reason.
  private(set) var excluded: [(path: String, reason: String)] = []

  /// The most files that a folder or pattern may lead to: more are a mistake, such as "/".
  static let fileLimit = 1_000_000

  /// Every file below a folder but hidden ones.
  /// - Throws: `DatasetError.unreadable` or `.tooManyFiles`.
  init(
    below folder: String, excluding excluded: [ExcludedPath] = [], fileLimit: Int = Self.fileLimit
  ) throws(DatasetError) {
    var walk = FolderWalk([], named: folder, excluding: excluded, fileLimit: fileLimit)
    try walk.run(from: folder)
    take(walk) { $0 }
  }

  /// Every file that a pattern matches; `**` matches any number of folders. A matching folder stands
  /// for all files below it.
  /// - Throws: `DatasetError.unreadable` or `.tooManyFiles`.
  init(
    matching pattern: String, excluding excluded: [ExcludedPath] = [],
    fileLimit: Int = Self.fileLimit
  ) throws(DatasetError) {
    let isAbsolute = pattern.hasPrefix("/")
    var walk = FolderWalk(
      pattern.split(separator: "/").map(String.init), named: pattern, excluding: excluded,
      fileLimit: fileLimit)
    try walk.run(from: isAbsolute ? "/" : ".")
    take(walk) { isAbsolute ? $0 : String($0.dropFirst(2)) }
  }

  private mutating func take(_ walk: FolderWalk, _ name: (String) -> String) {
    files = Set(walk.files.map(name)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    excluded = walk.excluded.map { (name($0.path), $0.reason) }
  }

  /// The path of `name` in `folder`.
  static func join(_ folder: String, _ name: String) -> String {
    if name.hasPrefix("/") || folder.isEmpty { return name }
    return folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }
}
