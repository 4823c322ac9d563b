/// Merges long words: a linked list of symbols and a heap of their pairs, n log n for n symbols.
struct MergeChain {
  private var symbols: [Int32] = []
  /// By symbol, the place of its neighbours; −1 at the ends.
  private var before: [Int32] = []
  private var after: [Int32] = []
  /// By symbol, the rank at which it merges with the next one; what the heap holds beside is stale.
  private var pairs: [MergeTable.Merge] = []
  /// Ranks with the place of their pair's left symbol in the lower half, the least first.
  private var heap: [UInt64] = []

  /// Appends what a word's symbols merge to.
  mutating func merge(_ word: [Int32], _ merges: MergeTable, into ids: inout [Int32]) {
    let count = word.count
    symbols = word
    before = (0..<count).map { Int32($0) - 1 }
    after = (0..<count).map { $0 + 1 < count ? Int32($0) + 1 : -1 }
    pairs = .init(repeating: .none, count: count)
    for place in 0..<count - 1 { look(at: place, merges) }
    while let (rank, place) = pop() {
      let merge = pairs[place]
      guard merge < .none, merge.rank == rank else { continue }
      join(place, merge.id)
      if before[place] >= 0 { look(at: Int(before[place]), merges) }
      look(at: place, merges)
    }
    var place: Int32 = 0
    while place >= 0 {
      ids.append(symbols[Int(place)])
      place = after[Int(place)]
    }
    // A text of one word must not leave its size behind.
    if count > 1 << 14 { self = MergeChain() }
  }

  /// The symbol at `place` and the next one become `id`.
  private mutating func join(_ place: Int, _ id: Int32) {
    let next = Int(after[place])
    symbols[place] = id
    pairs[next] = .none
    after[place] = after[next]
    if after[next] >= 0 { before[Int(after[next])] = Int32(place) }
  }

  /// Finds out what the symbol at `place` merges to with the next one.
  private mutating func look(at place: Int, _ merges: MergeTable) {
    let next = after[place]
    pairs[place] = next < 0 ? .none : merges[symbols[place], symbols[Int(next)]]
    if pairs[place] < .none { push(UInt64(pairs[place].rank) << 32 | UInt64(place)) }
  }

  private mutating func push(_ item: UInt64) {
    heap.append(item)
    var place = heap.count - 1
    while place > 0, heap[(place - 1) / 2] > item {
      heap[place] = heap[(place - 1) / 2]
      place = (place - 1) / 2
    }
    heap[place] = item
  }

  private mutating func pop() -> (rank: UInt32, place: Int)? {
    guard let first = heap.first, let item = heap.popLast() else { return nil }
    var place = 0
    while 2 * place + 1 < heap.count {
      var child = 2 * place + 1
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < item else { break }
      heap[place] = heap[child]
      place = child
    }
    if place < heap.count { heap[place] = item }
    return (UInt32(first >> 32), Int(first & 0xFFFF_FFFF))
  }
}
