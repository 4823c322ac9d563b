/// What of a block of memory that grows as needed is not taken.
struct FreeSpace {
  // Gaps in front of `top`, no two of which touch, by where they begin and where they end.
  private var ends: [Int: Int] = [:]
  private var starts: [Int: Int] = [:]
  /// The gaps' sizes, rising, and where those of each size begin, the first one last.
  private var sizes: ContiguousArray<Int> = []
  private var startsOfSize: [Int: ContiguousArray<Int>] = [:]
  /// Behind it all is free.
  private var top = 0

  /// Takes bytes from the smallest gap that has as many, the first of equal ones, or else at the top.
  mutating func take(_ size: Int) -> Int {
    let index = sizes.partitionPoint { $0 >= size }
    guard index < sizes.count, let start = startsOfSize[sizes[index]]?.last else {
      top += size
      return top - size
    }
    let end = start + sizes[index]
    remove(start..<end)
    if start + size < end { insert(start + size..<end) }
    return start
  }

  mutating func release(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    var range = range
    if let end = ends[range.upperBound] {
      remove(range.upperBound..<end)
      range = range.lowerBound..<end
    }
    if let start = starts[range.lowerBound] {
      remove(start..<range.lowerBound)
      range = start..<range.upperBound
    }
    if range.upperBound == top { top = range.lowerBound } else { insert(range) }
  }

  private mutating func insert(_ gap: Range<Int>) {
    ends[gap.lowerBound] = gap.upperBound
    starts[gap.upperBound] = gap.lowerBound
    var others = startsOfSize.removeValue(forKey: gap.count) ?? []
    if others.isEmpty { sizes.insert(gap.count, at: sizes.partitionPoint { $0 > gap.count }) }
    others.insert(gap.lowerBound, at: others.partitionPoint { $0 < gap.lowerBound })
    startsOfSize[gap.count] = others
  }

  private mutating func remove(_ gap: Range<Int>) {
    ends[gap.lowerBound] = nil
    starts[gap.upperBound] = nil
    var others = startsOfSize.removeValue(forKey: gap.count) ?? []
    others.remove(at: others.partitionPoint { $0 <= gap.lowerBound })
    if others.isEmpty {
      sizes.remove(at: sizes.partitionPoint { $0 >= gap.count })
    } else {
      startsOfSize[gap.count] = others
    }
  }
}
