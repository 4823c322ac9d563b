import Tensors

/// A block of memory that is needed from one position of a program to another, both included.
public struct LiveRange: Hashable, Sendable {
  public var byteCount: Int
  public var first: Int
  public var last: Int

  public init(byteCount: Int, first: Int, last: Int) {
    precondition(byteCount >= 0 && first <= last, "live range \(first)...\(last)")
    self.byteCount = byteCount
    self.first = first
    self.last = last
  }

  func overlaps(_ other: LiveRange) -> Bool { first <= other.last && other.first <= last }
}

/// Offsets for live ranges in one arena.
public struct MemoryLayout: Hashable, Sendable {
  public var offsets: [Int]
  public var byteCount: Int
}

/// Offsets start at multiples of this many bytes: a cache line, and a vector register of AVX-512.
public let arenaAlignment = 64

/// Rounds up to the arena's alignment.
public func aligned(_ bytes: Int) -> Int { (bytes + arenaAlignment - 1) & ~(arenaAlignment - 1) }

/// Places live ranges so that ranges that overlap in time never overlap in memory.
///
/// Best-fit greedy over several orders (by size, by size · lifetime, by start), the smallest arena
/// wins; compare Pisarchyk & Lee 2020. That takes time with the square of their number: more ranges
/// than models of a hundred blocks have are placed by start alone. A pure function of its argument.
public func planMemory(_ ranges: [LiveRange]) -> MemoryLayout {
  guard ranges.count <= mostOrderedRanges else { return placeByStart(ranges) }
  let indices = Array(ranges.indices)
  func sorted(_ key: (LiveRange) -> Int) -> [Int] {
    indices.sorted { left, right in
      let (a, b) = (key(ranges[left]), key(ranges[right]))
      return a == b ? left < right : a > b
    }
  }
  let orders = [
    sorted { $0.byteCount },
    sorted { $0.byteCount * ($0.last - $0.first + 1) },
    sorted { $0.last - $0.first },
    indices.sorted { (ranges[$0].first, $0) < (ranges[$1].first, $1) },
  ]
  let layouts = orders.map { place(ranges, in: $0) }
  return layouts.min { $0.byteCount < $1.byteCount } ?? MemoryLayout(offsets: [], byteCount: 0)
}

/// More ranges than these are placed in one order only: a training step of 126 blocks has 8 thousand.
let mostOrderedRanges = 12_000

/// Places live ranges one behind the other, without sharing any memory.
func stack(_ ranges: [LiveRange]) -> MemoryLayout {
  var total = 0
  let offsets = ranges.map { range in
    defer { total += aligned(range.byteCount) }
    return total
  }
  return MemoryLayout(offsets: offsets, byteCount: total)
}

/// The lower bound of any layout: the most bytes that are live at one position.
public func peakLiveBytes(_ ranges: [LiveRange]) -> (bytes: Int, position: Int) {
  var change: [Int: Int] = [:]
  for range in ranges {
    change[range.first, default: 0] += aligned(range.byteCount)
    change[range.last + 1, default: 0] -= aligned(range.byteCount)
  }
  var (live, peak, position) = (0, 0, 0)
  for at in change.keys.sorted() {
    live += change[at] ?? 0
    if live > peak { (peak, position) = (live, at) }
  }
  return (peak, position)
}

/// A range that has its place.
private struct PlacedRange {
  let range: LiveRange
  let offset: Int
  let end: Int
}

func place(_ ranges: [LiveRange], in order: [Int]) -> MemoryLayout {
  var offsets = [Int](repeating: 0, count: ranges.count)
  var placed: ContiguousArray<PlacedRange> = []  // by offset
  placed.reserveCapacity(ranges.count)
  var total = 0
  for index in order {
    let range = ranges[index]
    let size = aligned(range.byteCount)
    var best: (offset: Int, slack: Int)?
    var cursor = 0
    for other in placed where other.range.overlaps(range) {
      let gap = other.offset - cursor
      if gap >= size, best.map({ gap - size < $0.slack }) ?? true { best = (cursor, gap - size) }
      cursor = max(cursor, other.end)
    }
    let offset = best?.offset ?? cursor
    offsets[index] = offset
    total = max(total, offset + size)
    let insertion = placed.partitionPoint { $0.offset > offset }
    placed.insert(
      PlacedRange(range: range, offset: offset, end: offset + size), at: insertion)
  }
  return MemoryLayout(offsets: offsets, byteCount: total)
}

/// Places live ranges in the order of their starts, each where it fits best between those that are
/// alive then: what `place` does in that order, in one pass over time.
func placeByStart(_ ranges: [LiveRange]) -> MemoryLayout {
  let order = ranges.indices.sorted { (ranges[$0].first, $0) < (ranges[$1].first, $1) }
  let ends = ranges.indices.sorted { (ranges[$0].last, $0) < (ranges[$1].last, $1) }
  var offsets = [Int](repeating: 0, count: ranges.count)
  var free = FreeSpace()
  var (ended, total) = (0, 0)
  for index in order {
    while ranges[ends[ended]].last < ranges[index].first {
      let size = aligned(ranges[ends[ended]].byteCount)
      free.release(offsets[ends[ended]]..<offsets[ends[ended]] + size)
      ended += 1
    }
    let size = aligned(ranges[index].byteCount)
    guard size > 0 else { continue }
    offsets[index] = free.take(size)
    total = max(total, offsets[index] + size)
  }
  return MemoryLayout(offsets: offsets, byteCount: total)
}
