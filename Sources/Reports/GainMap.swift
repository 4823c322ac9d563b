/// Gains by block and tensor, upper blocks first; chosen tensors are in brackets.
///
///     block  query  key  value  output  gate   up   down
///     5        ▂     ▁     ▃      ▅    [ ▆ ]  [▇ ]  [ █ ]
///
/// Bars of eight heights show gains from zero to the largest; `·` is a gain within the noise, a
/// space a tensor that was not probed.
public struct GainMap: Sendable {
  /// The entry of one tensor.
  public struct Cell: Hashable, Sendable {
    /// Gain in nats; nil if not probed.
    public var gain: Double?
    /// Share of the tensor's rows that is trained; 0 for none.
    public var share: Double

    public init(gain: Double?, share: Double) {
      self.gain = gain
      self.share = share
    }
  }

  private let columns: [String]
  private let rows: [(label: String, cells: [Cell])]

  /// - Parameter rows: one cell per column; the first row is printed first.
  public init(columns: [String], rows: [(label: String, cells: [Cell])]) {
    self.columns = columns
    self.rows = rows
  }

  private static let heights = Array("▁▂▃▄▅▆▇█")

  /// The columns under their titles, five apart, and a line that explains the symbols.
  public var text: String {
    let largest = rows.flatMap(\.cells).compactMap(\.gain).max() ?? 0
    let labels = max(5, rows.map { displayWidth($0.label) }.max() ?? 0)
    let widths = columns.map { max(5, displayWidth($0)) }
    func line(_ label: String, _ cells: [String]) -> String {
      let fields = zip(cells, widths).map { centred($0, width: $1) }
      let joined = ([padded(label, width: labels)] + fields).joined(separator: " ")
      return String(joined.reversed().drop { $0 == " " }.reversed())
    }
    var lines = [line("", columns)]
    lines += rows.map { row in line(row.label, row.cells.map { sign($0, largest: largest) }) }
    if largest > 0 {
      lines.append("█ \(Format.loss(largest)) nats, · within the noise, [ ] trained")
    } else {
      lines.append("[ ] trained; gains were not measured")
    }
    return lines.joined(separator: "\n")
  }

  private func sign(_ cell: Cell, largest: Double) -> String {
    let mark: String
    switch cell.gain {
    case nil: mark = " "
    case let gain? where gain <= 0 || largest <= 0: mark = "·"
    case let gain?:
      let height = Int((gain / largest * Double(Self.heights.count)).rounded(.up)) - 1
      mark = String(Self.heights[max(0, min(Self.heights.count - 1, height))])
    }
    return cell.share > 0 ? "[\(mark)]" : mark
  }

  private func centred(_ text: String, width: Int) -> String {
    let space = max(0, width - displayWidth(text))
    return String(repeating: " ", count: space / 2) + text
      + String(repeating: " ", count: space - space / 2)
  }
}
