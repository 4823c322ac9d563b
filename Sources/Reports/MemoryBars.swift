/// A bar chart of bytes by kind, for `plan`: one row per kind, a rule and the total.
///
///     activations  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇   150 MiB  62.5 %
///     weights      ▇▇▇▇▇▇▇▇▇▇▇▇          90.0 MiB  37.5 %
///     ───────────                        ────────  ──────
///     total                               240 MiB   100 %
public struct MemoryBars: Sendable {
  /// Kind and bytes, in the order shown.
  public let rows: [(label: String, bytes: Int)]

  public init(_ rows: [(label: String, bytes: Int)]) { self.rows = rows }

  /// - Parameter barWidth: columns of the longest bar; the largest kind fills it. Any kind that
  ///   is not empty shows at least one block.
  public func text(barWidth: Int = 30) -> String {
    let width = max(1, barWidth)
    let sizes = rows.map { Double(max(0, $0.bytes)) }
    let largest = max(1, sizes.max() ?? 1)
    let total = sizes.reduce(0, +)
    let bars = sizes.map { size in
      let blocks = Int((size / largest * Double(width)).rounded())
      return String(repeating: "▇", count: size > 0 ? max(1, blocks) : 0)
    }
    let totalBytes = Int(exactly: total.rounded()) ?? Int.max
    let labels = rows.map(\.label) + ["total"]
    let bytes = rows.map { Format.bytes($0.bytes) } + [Format.bytes(totalBytes)]
    let shares = sizes.map { Format.percent(total > 0 ? $0 / total : 0) } + [Format.percent(1)]
    let widths = [labels, bytes, shares].map { $0.map { displayWidth($0) }.max() ?? 0 }

    func line(_ label: String, _ bar: String, _ bytes: String, _ share: String) -> String {
      [
        padded(label, width: widths[0]), padded(bar, width: width),
        padded(bytes, width: widths[1], alignment: .right),
        padded(share, width: widths[2], alignment: .right),
      ].joined(separator: "  ")
    }
    let rule = widths.map { String(repeating: "─", count: $0) }
    var lines = rows.indices.map { line(labels[$0], bars[$0], bytes[$0], shares[$0]) }
    lines.append(line(rule[0], "", rule[1], rule[2]))
    lines.append(line("total", "", bytes[rows.count], shares[rows.count]))
    return lines.joined(separator: "\n")
  }
}
