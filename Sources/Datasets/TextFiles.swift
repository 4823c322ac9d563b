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
  private var seen: Set<String> = []

  /// Resolves files, folders (recursively, without hidden names) and patterns (`*`, `?`, `[a-z]`,
  /// `**`) against a base folder. Each file is read once to check that it is text: a file given by
  /// name must be, a file found in a folder or by a pattern is skipped otherwise. A `.jsonl` file
  /// must be text wherever it is found, since a set of rows with a hole in it is not what was meant.
  /// - Throws: `DatasetError.noMatch`, `.unreadable`, `.notText` or `.row`.
  public static func resolve(
    _ paths: [String], relativeTo base: String = ""
  ) throws(DatasetError) -> TextFiles {
    var result = TextFiles()
    for path in paths { try result.add(path, FolderListing.join(base, path)) }
    return result
  }

  private mutating func add(_ written: String, _ path: String) throws(DatasetError) {
    switch written.isEmpty ? .absent : PathKind(path) {
    case .file: try addFile(path, named: true)
    case .folder:
      let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
      try addFound(try FolderListing.files(below: trimmed), path, "the folder holds no text files")
    case .absent:
      guard GlobPattern.isPattern(path) else {
        throw .noMatch(path: path, reason: "there is no such file or folder")
      }
      try addFound(
        try FolderListing.files(matching: path), path, "the pattern matches no text files")
    }
  }

  private mutating func addFound(
    _ found: [String], _ path: String, _ reason: String
  ) throws(DatasetError) {
    var taken = false
    for file in found { taken = try addFile(file, named: false) || taken }
    guard taken else { throw .noMatch(path: path, reason: reason) }
  }

  /// Adds a file, or skips it; returns whether it is text.
  @discardableResult
  private mutating func addFile(_ path: String, named: Bool) throws(DatasetError) -> Bool {
    if seen.contains(path) {
      skipped.append(.init(path: path, reason: "it is in the list already"))
      return true
    }
    let file: MappedFile
    do {
      file = try MappedFile(path: path)
    } catch {
      guard !named, case .notAFile(_, let found) = error else { throw .storage(error) }
      skipped.append(.init(path: path, reason: "it is \(found)"))
      return false
    }
    if let (offset, found) = firstNonText(file) {
      if RowReader.isRows(path) {
        let line = RowReader.line(at: offset, of: file)
        throw .row(path: path, line: line, problem: "found \(found), expected UTF-8 text")
      }
      if named { throw .notText(path: path, offset: offset, found: found) }
      skipped.append(.init(path: path, reason: "found \(found) at byte \(offset), not text"))
      return false
    }
    files.append(path)
    seen.insert(path)
    return true
  }
}

/// Bytes of a mapped file that are in memory at once.
let chunkBytes = 1 << 20

/// Offset of the first byte of a file that is not text, and what it is; nil if all is text.
func firstNonText(_ file: MappedFile) -> (offset: Int, found: String)? {
  var start = 0
  while start < file.bytes.count {
    let first = start
    let end = min(start + chunkBytes, file.bytes.count)
    let chunk = UnsafeRawBufferPointer(rebasing: file.bytes[start..<end])
    let zero = chunk.firstIndex(of: 0)
    if let invalid = firstInvalidUTF8(chunk), invalid < zero ?? chunk.count {
      // A character cut by the chunk's end is checked again as a whole.
      guard invalid > 0, chunk.count - invalid < 4, end < file.bytes.count else {
        return (start + invalid, "byte 0x\(hexadecimal(chunk[invalid]))")
      }
      start += invalid
    } else if let zero {
      return (start + zero, "a zero byte")
    } else {
      start = end
    }
    file.releasePages(first..<start)
  }
  return nil
}

private func hexadecimal(_ byte: UInt8) -> String {
  ContentHash.hexadecimal(CollectionOfOne(byte)).uppercased()
}
