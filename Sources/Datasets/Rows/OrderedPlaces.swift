/// A set of numbers below a bound that finds the least member from a number on.
struct OrderedPlaces {
  /// 64 numbers a word; above it a word for 64 words, and so on up to one word.
  private var levels: [[UInt64]] = []

  /// An empty set of numbers from 0 to `count` − 1.
  init(count: Int) {
    var words = count
    repeat {
      words = (words + 63) / 64
      levels.append([UInt64](repeating: 0, count: max(1, words)))
    } while words > 1
  }

  mutating func insert(_ number: Int) {
    var place = number
    for level in levels.indices {
      levels[level][place >> 6] |= 1 << UInt64(place & 63)
      place >>= 6
    }
  }

  mutating func remove(_ number: Int) {
    var place = number
    for level in levels.indices {
      levels[level][place >> 6] &= ~(1 << UInt64(place & 63))
      guard levels[level][place >> 6] == 0 else { return }
      place >>= 6
    }
  }

  /// The least member that is at least `number`; nil if there is none.
  func first(from number: Int) -> Int? {
    var place = number
    for level in levels.indices {
      guard place >> 6 < levels[level].count else { return nil }
      let rest = levels[level][place >> 6] & (~0 << UInt64(place & 63))
      if rest != 0 { return descend(from: level, place & ~63 | rest.trailingZeroBitCount) }
      place = (place >> 6) + 1
    }
    return nil
  }

  private func descend(from level: Int, _ place: Int) -> Int {
    (0..<level).reversed().reduce(place) { place, level in
      place << 6 | levels[level][place].trailingZeroBitCount
    }
  }
}
