import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// Reads the rows of a JSON Lines file one by one, in the memory of one row. All rows must be of one
/// shape; blank lines are passed over.
struct RowReader {
  /// The longest row, in bytes: longer texts belong into files of their own.
  static let rowLimit = 1 << 24

  private let file: TextFile
  /// Offset of the next line.
  private(set) var position = 0
  /// Number of the line read last, from 1.
  private(set) var line = 0
  /// Bytes of the file from `bufferStart` on.
  private var buffer: [UInt8] = []
  private var bufferStart = 0
  /// The first row's shape and line.
  private var first: (shape: RowShape, line: Int)?

  /// - Throws: as `TextFile.bytes`.
  init(_ file: TextFile) throws(DatasetError) {
    self.file = file
    if try file.bytes(0..<min(3, file.count)) == [0xEF, 0xBB, 0xBF] { position = 3 }
  }

  /// Endings of the names of files that are read as rows, in any case.
  static let extensions = ["jsonl", "ndjson"]

  /// Whether a file is read as rows: by its name.
  static func isRows(_ path: String) -> Bool {
    let name = path.lowercased()
    return extensions.contains { name.hasSuffix("." + $0) }
  }

  /// The next row; nil at the end of the file.
  /// - Throws: `DatasetError.row` or `.mixedRows`, and as `TextFile.bytes`.
  mutating func next() throws(DatasetError) -> TextRow? {
    guard let row = try next(RowParser.row) else { return nil }
    if let first, first.shape != row.shape {
      throw .mixedRows(
        path: file.path, line: line, found: row.shape.keys, firstLine: first.line,
        expected: first.shape.keys)
    }
    first = first ?? (row.shape, line)
    return row
  }

  /// What `parse` makes of the next line that is not blank; nil at the end of the file.
  /// - Throws: `DatasetError.row`, and as `TextFile.bytes`.
  mutating func next<Row>(
    _ parse: (UnsafeRawBufferPointer) throws(RowParser.Problem) -> Row
  ) throws(DatasetError) -> Row? {
    while position < file.count {
      line += 1
      let start = position
      let end = try nextLineEnd()
      position = min(file.count, end + 1)
      let parsed: Result<Row?, RowParser.Problem> = buffer.withUnsafeBytes { bytes in
        let line = UnsafeRawBufferPointer(rebasing: bytes[start - bufferStart..<end - bufferStart])
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return .success(nil) }
        return Result { () throws(RowParser.Problem) in try parse(line) }
      }
      switch parsed {
      case .success(let row?): return row
      case .success(nil): continue
      case .failure(let problem):
        throw .row(path: file.path, line: line, problem: problem.text)
      }
    }
    return nil
  }

  /// Offset of the line feed that ends the line at `position`, or of the file's end. The line is in
  /// the buffer afterwards.
  private mutating func nextLineEnd() throws(DatasetError) -> Int {
    var searched = position
    while true {
      let bufferEnd = bufferStart + buffer.count
      if searched < bufferEnd, let end = lineFeed(from: searched), end - position <= Self.rowLimit {
        return end
      }
      guard bufferEnd - position <= Self.rowLimit else {
        throw .row(
          path: file.path, line: line,
          problem: "found a row of more than \(Self.rowLimit >> 20) MiB; put so long a text into "
            + "a file of its own")
      }
      guard bufferEnd < file.count else { return file.count }
      searched = max(position, bufferEnd)
      buffer.removeFirst(min(buffer.count, position - bufferStart))
      bufferStart = position
      let next = bufferStart + buffer.count
      buffer += try file.bytes(next..<min(file.count, next + chunkBytes))
    }
  }

  private func lineFeed(from offset: Int) -> Int? {
    buffer.withUnsafeBytes { $0.firstPlace(of: [0x0A], from: offset - bufferStart) }
      .map { bufferStart + $0 }
  }

  /// The line that holds the byte at `offset`, from 1.
  /// - Throws: as `TextFile.bytes`.
  static func line(at offset: Int, of file: TextFile) throws(DatasetError) -> Int {
    var line = 1
    for start in stride(from: 0, to: offset, by: chunkBytes) {
      line += try file.bytes(start..<min(start + chunkBytes, offset)).count { $0 == 10 }
    }
    return line
  }
}
