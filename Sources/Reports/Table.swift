/// A table with a header, for terminals.
public struct Table: Sendable {
  /// Alignment of a column's cells: names to the left, figures to the right.
  public enum Alignment: Sendable {
    case left, right
  }

  /// A column's title and alignment.
  public struct Column: Sendable {
    public let title: String
    public let alignment: Alignment

    public init(_ title: String, _ alignment: Alignment = .left) {
      self.title = title
      self.alignment = alignment
    }
  }

  public let columns: [Column]
  /// Every row has one cell per column.
  public private(set) var rows: [[String]] = []

  public init(_ columns: [Column]) { self.columns = columns }

  /// Adds a row; missing cells are left empty, extra ones are dropped.
  public mutating func add(_ cells: [String]) {
    let missing = max(0, columns.count - cells.count)
    let row = cells.prefix(columns.count) + Array(repeating: "", count: missing)
    rows.append(row.map(oneLine))
  }

  /// Aligned columns two spaces apart under a ruled header; no trailing spaces or final newline.
  public var text: String {
    let widths = self.widths
    let rule = widths.map { String(repeating: "─", count: $0) }
    let lines = [columns.map(\.title), rule] + rows
    return lines.map { line($0, widths) }.joined(separator: "\n")
  }

  /// Width of each column: that of its widest cell or its title.
  private var widths: [Int] {
    columns.indices.map { index in
      rows.reduce(displayWidth(columns[index].title)) { max($0, displayWidth($1[index])) }
    }
  }

  private func cells(_ row: [String], _ widths: [Int]) -> [String] {
    columns.indices.map {
      padded(row[$0], width: widths[$0], alignment: columns[$0].alignment)
    }
  }

  private func line(_ row: [String], _ widths: [Int]) -> String {
    let joined = cells(row, widths).joined(separator: "  ")
    let kept = joined.reversed().drop { $0 == " " }
    return String(kept.reversed())
  }

  /// The cell on one line, since a line break would break the table's layout, and without characters
  /// that would move the cursor: it may be a name from a file.
  private func oneLine(_ cell: String) -> String {
    String(cell.map { $0.isNewline || $0 == "\t" ? " " : $0 }).printable()
  }
}
