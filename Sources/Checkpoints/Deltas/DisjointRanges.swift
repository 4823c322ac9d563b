/// A sorted set of ranges that do not overlap; a delta may hold thousands of row ranges.
struct DisjointRanges {
  private var ranges: [Range<Int>] = []

  /// Adds a range, or returns one that overlaps it.
  mutating func insert(_ new: Range<Int>) -> Range<Int>? {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].lowerBound < new.lowerBound { low = middle + 1 } else { high = middle }
    }
    for index in [low - 1, low] where ranges.indices.contains(index) {
      if ranges[index].overlaps(new) { return ranges[index] }
    }
    ranges.insert(new, at: low)
    return nil
  }
}
