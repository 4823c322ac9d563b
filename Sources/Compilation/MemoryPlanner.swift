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
/// wins; compare Pisarchyk & Lee 2020. A pure function of its argument.
public func planMemory(_ ranges: [LiveRange]) -> MemoryLayout {
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

private func place(_ ranges: [LiveRange], in order: [Int]) -> MemoryLayout {
  var offsets = [Int](repeating: 0, count: ranges.count)
  var placed: [Int] = []  // by offset
  var total = 0
  for index in order {
    let size = aligned(ranges[index].byteCount)
    var best: (offset: Int, slack: Int)?
    var cursor = 0
    for other in placed where ranges[other].overlaps(ranges[index]) {
      let gap = offsets[other] - cursor
      if gap >= size, best.map({ gap - size < $0.slack }) ?? true { best = (cursor, gap - size) }
      cursor = max(cursor, offsets[other] + aligned(ranges[other].byteCount))
    }
    let offset = best?.offset ?? cursor
    offsets[index] = offset
    total = max(total, offset + size)
    let insertion = placed.firstIndex { offsets[$0] > offset } ?? placed.count
    placed.insert(index, at: insertion)
  }
  return MemoryLayout(offsets: offsets, byteCount: total)
}
