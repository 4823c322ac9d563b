/// Iterates over rows together with the mergers that change each, in the order given. A delta may
/// hold thousands of row ranges, so no row searches all of them.
struct MergeSweep {
  private let changes: [(rows: Range<Int>, merger: any RowMerger)]
  /// Indices of the changes not reached yet, sorted by first row.
  private var waiting: ArraySlice<Int>
  private var active: [Int] = []

  init(_ changes: [(rows: Range<Int>, merger: any RowMerger)]) {
    self.changes = changes
    waiting =
      changes.indices.sorted {
        (changes[$0].rows.lowerBound, $0) < (changes[$1].rows.lowerBound, $1)
      }[...]
  }

  /// The mergers that change a row; rows must increase from call to call.
  mutating func mergers(at row: Int) -> [any RowMerger] {
    active.removeAll { changes[$0].rows.upperBound <= row }
    var grew = false
    while let next = waiting.first, changes[next].rows.lowerBound <= row {
      waiting.removeFirst()
      if changes[next].rows.contains(row) { active.append(next) }
      grew = true
    }
    if grew { active.sort() }
    return active.map { changes[$0].merger }
  }
}
