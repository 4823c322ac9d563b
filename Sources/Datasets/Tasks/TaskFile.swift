import Storage

/// A JSON Lines file of questions with known answers.
public struct TaskFile: Sendable {
  public let path: String
  public let kind: TaskKind
  /// At least one.
  public let items: [TaskItem]

  /// Whether a path names a file of tasks, by the keys of its first row. What can't be read or is no
  /// JSON is none: whoever reads it as text says what is wrong with it.
  public static func isTask(_ path: String) -> Bool {
    guard RowReader.isRows(path), let file = try? TextFile(path: path),
      var reader = try? RowReader(file)
    else { return false }
    let first = try? reader.next { (line) throws(RowParser.Problem) in try TaskParser(line) }
    return first?.isTask ?? false
  }

  /// Reads all rows.
  /// - Throws: `DatasetError`; `.row` for a line that is no question, `.mixedRows` for one of another
  ///   kind, `.noDocuments` for a file without rows.
  public init(path: String) throws(DatasetError) {
    let file: TextFile
    do { file = try TextFile(path: path) } catch { throw .storage(error) }
    var reader = try RowReader(file)
    var items: [TaskItem] = []
    while var item = try reader.next({ (line) throws(RowParser.Problem) in
      try TaskParser(line).item()
    }) {
      item.line = reader.line
      if let first = items.first, first.kind != item.kind {
        throw .mixedRows(
          path: path, line: item.line, found: item.kind.keys, firstLine: first.line,
          expected: first.kind.keys)
      }
      items.append(item)
    }
    guard let first = items.first else { throw .noDocuments(use: "task") }
    self.path = path
    self.items = items
    kind = first.kind
  }
}
