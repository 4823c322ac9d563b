import Checkpoints
import Pages
import Records
import Reports
import Storage
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// What a run leaves in its output folder, and how it is told from other people's files.
///
/// Measurements (`contributions.json`, `learning_rate.json`) and token ids are not part of a run:
/// the next one uses them too.
enum RunContents {
  /// Whether a file is a run's, by its content; throws where it can't be read.
  private typealias Recogniser = @Sendable (_ path: String) throws(StorageError) -> Bool

  /// Files of a run, and whether a file of that name is one.
  private static let files: [String: Recogniser] = [
    "recipe.resolved.json": keys("model", "method"),
    "events.jsonl": isEventStream,
    "summary.json": keys("type", "steps"),
    "compare.json": keys("rows"),
    RunPage.fileName: isPage,
  ]
  private static let measurements = [EarlierMeasurements.contributions, EarlierMeasurements.rate]
  /// Folders of snapshots.
  private static let snapshots = ["best", "last"]
  /// The folder of TensorBoard's files.
  private static let board = TensorBoardWriter.folderName
  /// The folder of a comparison's runs.
  private static let comparison = "compare"

  /// All names that a run's folder has beside that of token ids.
  static var names: [String] {
    files.keys.sorted() + measurements + snapshots + [board, comparison]
  }

  /// Whether a folder holds a run, or a part of one.
  static func exist(in folder: String) -> Bool {
    (files.keys + snapshots + [board, comparison]).contains { Folder.exists("\(folder)/\($0)") }
  }

  /// - Throws: `StorageError.occupied` where a run's names are taken by something else.
  static func check(_ folder: String) throws(StorageError) {
    for (name, isOwn) in files.sorted(by: { $0.key < $1.key }) {
      try check("\(folder)/\(name)", isOwn)
    }
    for name in measurements { try check("\(folder)/\(name)", keys("key")) }
    for name in snapshots {
      let path = "\(folder)/\(name)"
      try check(path, kind: S_IFDIR)
      for name in SnapshotStore.fileNames {
        try check("\(path)/\(name)") { TensorFileKind.detect(path: $0) != nil }
      }
    }
    try check("\(folder)/\(comparison)", kind: S_IFDIR)
    try checkBoard("\(folder)/\(board)")
  }

  private static func checkBoard(_ path: String) throws(StorageError) {
    try check(path, kind: S_IFDIR)
    guard Folder.exists(path) else { return }
    for name in try Folder.names(path) where !name.hasPrefix(TensorBoardWriter.filePrefix) {
      throw .occupied(path: "\(path)/\(name)", found: "something")
    }
  }

  private static func check(
    _ path: String, _ isOwn: Recogniser
  ) throws(StorageError) {
    try check(path, kind: S_IFREG)
    guard Folder.exists(path) else { return }
    guard try isOwn(path) else { throw .occupied(path: path, found: "a file") }
  }

  private static func check(_ path: String, kind: mode_t) throws(StorageError) {
    guard let found = Folder.mode(path), found & S_IFMT != kind else { return }
    throw .occupied(path: path, found: kindOfFile(found))
  }

  /// Moves a run, and the runs of its comparison, to another folder of the same file system.
  static func move(from folder: String, to target: String) throws(StorageError) {
    for name in files.keys.sorted() + snapshots + [board] where Folder.exists("\(folder)/\(name)") {
      try Folder.move("\(folder)/\(name)", to: "\(target)/\(name)")
    }
    let pending = SnapshotStore(folder: folder, method: .null, recipe: .null).pending
    if pending.exists {
      let moved = SnapshotStore(folder: target, method: .null, recipe: .null).pending
      try Folder.move(pending.path, to: moved.path)
    }
    for member in try members(of: folder) {
      try Folder.create("\(target)/\(comparison)/\(member)")
      try move(
        from: "\(folder)/\(comparison)/\(member)", to: "\(target)/\(comparison)/\(member)")
      rmdir("\(folder)/\(comparison)/\(member)")
    }
    rmdir("\(folder)/\(comparison)")
  }

  /// Removes a run, and the runs of its comparison; folders with anything else in them stay.
  ///
  /// - Throws: `StorageError.readFailed` where the comparison's folder can't be read.
  static func remove(from folder: String) throws(StorageError) {
    for name in files.keys { unlink("\(folder)/\(name)") }
    for name in snapshots {
      for file in SnapshotStore.fileNames { unlink("\(folder)/\(name)/\(file)") }
      rmdir("\(folder)/\(name)")
    }
    for name in (try? Folder.names("\(folder)/\(board)")) ?? []
    where name.hasPrefix(TensorBoardWriter.filePrefix) {
      unlink("\(folder)/\(board)/\(name)")
    }
    rmdir("\(folder)/\(board)")
    SnapshotStore(folder: folder, method: .null, recipe: .null).pending.remove()
    for member in try members(of: folder) {
      try remove(from: "\(folder)/\(comparison)/\(member)")
    }
  }

  /// The folders of a comparison's runs.
  private static func members(of folder: String) throws(StorageError) -> [String] {
    let names = try Folder.names("\(folder)/\(comparison)")
    return names.sorted().filter { name in
      let path = "\(folder)/\(comparison)/\(name)"
      return Folder.mode(path).map { $0 & S_IFMT == S_IFDIR } == true
        && (try? check(path)) != nil
    }
  }

  private static func keys(_ keys: String...) -> Recogniser {
    { (path) throws(StorageError) in
      guard let file = try content(of: path),
        let object = try? JSONValue.decode(file.bytes, source: path).object
      else { return false }
      return keys.allSatisfy { object[$0] != nil }
    }
  }

  /// Whether a file's first line is an event; an empty file is the start of one.
  private static func isEventStream(_ path: String) throws(StorageError) -> Bool {
    guard let file = try content(of: path) else { return false }
    guard !file.bytes.isEmpty else { return true }
    let line = Array(file.bytes.prefix { $0 != 0x0A })
    return (try? JSONValue.decode(line, source: path))?["type"] != nil
  }

  /// Whether a file is a page that this program wrote; an empty file is nobody's.
  private static func isPage(_ path: String) throws(StorageError) -> Bool {
    guard let file = try content(of: path) else { return false }
    return withExtendedLifetime(file) { file.bytes.isEmpty || RunPage.isPage(file.bytes) }
  }

  /// Nil for a stand-in of Git LFS, which is none of a run's files.
  private static func content(of path: String) throws(StorageError) -> MappedFile? {
    do {
      return try MappedFile(path: path)
    } catch .pointer {
      return nil
    }
  }
}
