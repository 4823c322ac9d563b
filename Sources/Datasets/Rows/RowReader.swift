import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// Reads the rows of a mapped JSON Lines file one by one, in the memory of one row. All rows must be
/// of one shape; blank lines are passed over.
struct RowReader {
  /// The longest row, in bytes: longer texts belong into files of their own.
  static let rowLimit = 1 << 24

  private let file: MappedFile
  /// Offset of the next line.
  private(set) var position: Int
  /// Number of the line read last, from 1.
  private(set) var line = 0
  /// Offset up to which pages were released.
  private var released = 0
  /// The first row's shape and line.
  private var first: (shape: RowShape, line: Int)?

  init(_ file: MappedFile) {
    self.file = file
    position = file.bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  /// Whether a file is read as rows: by its name.
  static func isRows(_ path: String) -> Bool { path.hasSuffix(".jsonl") }

  /// The next row; nil at the end of the file.
  /// - Throws: `DatasetError.row` or `.mixedRows`.
  mutating func next() throws(DatasetError) -> TextRow? {
    while position < file.bytes.count {
      let start = position
      line += 1
      let end = try nextLineEnd()
      position = min(file.bytes.count, end + 1)
      releasePages(before: start)
      let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[start..<end])
      if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
      let row = try parse(bytes)
      if let first, first.shape != row.shape {
        throw .mixedRows(
          path: file.path, line: line, found: row.shape.keys, firstLine: first.line,
          expected: first.shape.keys)
      }
      first = first ?? (row.shape, line)
      return row
    }
    return nil
  }

  private mutating func releasePages(before start: Int) {
    guard start - released >= chunkBytes else { return }
    file.releasePages(released..<start)
    released = start
  }

  private func parse(_ bytes: UnsafeRawBufferPointer) throws(DatasetError) -> TextRow {
    do throws(RowParser.Problem) {
      return try RowParser.row(bytes)
    } catch {
      throw .row(path: file.path, line: line, problem: error.text)
    }
  }

  /// Offset of the line feed that ends the line at `position`, or of the file's end.
  private func nextLineEnd() throws(DatasetError) -> Int {
    guard let base = file.bytes.baseAddress else { return 0 }
    let searched = min(file.bytes.count - position, Self.rowLimit + 1)
    if let end = memchr(base + position, 10, searched) { return UnsafeRawPointer(end) - base }
    guard searched <= Self.rowLimit else {
      file.releasePages(position..<position + searched)
      throw .row(
        path: file.path, line: line,
        problem: "found a row of more than \(Self.rowLimit >> 20) MiB; put so long a text into a "
          + "file of its own")
    }
    return file.bytes.count
  }

  /// The line that holds the byte at `offset`, from 1.
  static func line(at offset: Int, of file: MappedFile) -> Int {
    var line = 1
    file.forEachChunk(of: 0..<offset) { chunk in line += chunk.count { $0 == 10 } }
    return line
  }
}
