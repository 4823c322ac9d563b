/// A line over equally wide columns in dots of Braille characters, two by four in each.
struct BrailleCurve {
  /// Columns and rows of characters.
  let width: Int
  let height: Int
  private var dots: [UInt8]

  init(width: Int, height: Int) {
    (self.width, self.height) = (max(1, width), max(1, height))
    dots = Array(repeating: 0, count: self.width * self.height)
  }

  /// Bits of a cell's dots by row and column (Unicode block U+2800).
  private static let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]

  /// Draws points that lie in [0, 1] both ways, y upwards; within a column of dots from the lowest to
  /// the highest of them, so that none is lost.
  ///
  /// - Parameter points: in ascending order of x; one that is not finite is a gap.
  mutating func draw(_ points: some Sequence<(x: Double, y: Double)>) {
    var last: (column: Int, row: Int)?
    for point in points {
      guard point.x.isFinite, point.y.isFinite else {
        last = nil
        continue
      }
      let column = Int((min(1, max(0, point.x)) * Double(2 * width - 1)).rounded())
      let row = Int(((1 - min(1, max(0, point.y))) * Double(4 * height - 1)).rounded())
      connect(last ?? (column, row), (column, row))
      last = (column, row)
    }
  }

  private mutating func connect(_ start: (column: Int, row: Int), _ end: (column: Int, row: Int)) {
    let columns = max(0, end.column - start.column)
    var before = start.row
    for step in 0...columns {
      let row = columns == 0 ? end.row : start.row + (end.row - start.row) * step / columns
      for row in min(before, row)...max(before, row) { set(start.column + step, row) }
      before = row
    }
  }

  private mutating func set(_ column: Int, _ row: Int) {
    dots[row / 4 * width + column / 2] |= Self.bits[row % 4][column % 2]
  }

  /// The rows of characters, uppermost first; a cell without dots is a space.
  var rows: [[Character]] {
    (0..<height).map { row in
      dots[row * width..<(row + 1) * width].map { bits in
        bits == 0
          ? " " : Character(Unicode.Scalar(0x2800 + UInt32(bits)).map { $0 } ?? " ")
      }
    }
  }
}
