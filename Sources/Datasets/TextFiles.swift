import Storage
import Tokenizers

/// The text files that a list of paths resolves to, in reading order.
public struct TextFiles: Sendable {
  /// A file found in a folder or by a pattern and left out.
  public struct Skipped: Sendable, Hashable, CustomStringConvertible {
    /// The file, and why it is left out.
    public let path, reason: String

    public var description: String { "skipped '\(path)': \(reason)" }
  }

  /// Paths of the files; those found in one folder or by one pattern are sorted by their bytes.
  public private(set) var files: [String] = []
  /// The files left out, in the order found.
  public private(set) var skipped: [Skipped] = []
  /// What stands in the files but for rows.
  private(set) var findings = TextFindings()
  private var seen: Set<String> = []
  private let excluded: [ExcludedPath]
  private let separator: String?

  /// Resolves files, folders (recursively, without hidden names) and patterns (`*`, `?`, `[a-z]`,
  /// `**`) against a base folder. Each file is read once to check that it is text: a file given by
  /// name must be, a file found in a folder or by a pattern is skipped otherwise. A file of rows must
  /// be text wherever it is found, since a set of rows with a hole in it is not what was meant.
  ///
  /// - Parameters:
  ///   - excluding: files and folders that are skipped unless they are given by name.
  ///   - separator: what is looked for in the files, to say where it never occurs.
  /// - Throws: `DatasetError.noMatch`, `.unreadable`, `.tooManyFiles`, `.notText` or `.row`.
  public static func resolve(
    _ paths: [String], relativeTo base: String = "", excluding: [ExcludedPath] = [],
    separator: String? = nil
  ) throws(DatasetError) -> TextFiles {
    var result = TextFiles(excluding, separator)
    for path in paths { try result.add(path, FolderListing.join(base, path)) }
    return result
  }

  private init(_ excluded: [ExcludedPath], _ separator: String?) {
    self.excluded = excluded
    self.separator = separator?.isEmpty == true ? nil : separator
  }

  private mutating func add(_ written: String, _ path: String) throws(DatasetError) {
    switch written.isEmpty ? .absent : PathKind(path) {
    case .file: try addFile(path, named: true)
    case .folder:
      let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
      try addFound(
        try FolderListing(below: trimmed, excluding: excluded), path,
        "the folder holds no text files")
    case .absent:
      guard GlobPattern.isPattern(path) else {
        throw .noMatch(path: path, reason: "there is no such file or folder")
      }
      try addFound(
        try FolderListing(matching: path, excluding: excluded), path,
        "the pattern matches no text files")
    }
  }

  private mutating func addFound(
    _ found: FolderListing, _ path: String, _ reason: String
  ) throws(DatasetError) {
    skipped += found.excluded.map { Skipped(path: $0.path, reason: $0.reason) }
    var taken = false
    for file in found.files { taken = try addFile(file, named: false) || taken }
    let left =
      found.excluded.isEmpty ? "" : " but what is no training text (\(skipped.last?.path ?? ""))"
    guard taken else { throw .noMatch(path: path, reason: reason + left) }
  }

  /// Adds a file, or skips it; returns whether it is text.
  @discardableResult
  private mutating func addFile(_ path: String, named: Bool) throws(DatasetError) -> Bool {
    if seen.contains(path) {
      skipped.append(.init(path: path, reason: "it is in the list already"))
      return true
    }
    let file: TextFile
    do {
      file = try TextFile(path: path)
    } catch {
      guard !named, case .notAFile(_, let found) = error else { throw .storage(error) }
      skipped.append(.init(path: path, reason: "it is \(found)"))
      return false
    }
    var scan = TextScan(separator: separator)
    if let (offset, found) = try scan.firstNonText(of: file) {
      if RowReader.isRows(path) {
        let line = try RowReader.line(at: offset, of: file)
        throw .row(path: path, line: line, problem: "found \(found), expected UTF-8 text")
      }
      if named { throw .notText(path: path, offset: offset, found: found) }
      skipped.append(.init(path: path, reason: "found \(found) at byte \(offset), not text"))
      return false
    }
    files.append(path)
    seen.insert(path)
    if !RowReader.isRows(path) { findings.add(path, scan) }
    return true
  }
}
