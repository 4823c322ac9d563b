/// Merges the characters of words, one word after the other.
struct WordEncoder {
  private let model: BytePairModel
  private var cache = WordCache()
  private var symbols: [Int32] = []
  /// By symbol, what it and the next one merge to.
  private var pairs: [MergeTable.Merge] = []
  private var chain = MergeChain()

  /// Words up to this many symbols are merged by looking at all pairs again and again.
  private static let scanLimit = 32

  init(_ model: BytePairModel) { self.model = model }

  /// Appends the ids of a word.
  mutating func encode(_ word: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    guard word.count <= WordCache.longestWord else { return merge(word, into: &ids) }
    let hash = cache.hash(word)
    if cache.append(word, hash, to: &ids) { return }
    let start = ids.count
    merge(word, into: &ids)
    cache.insert(word, hash, ids[start...])
  }

  private mutating func merge(_ word: UnsafeRawBufferPointer, into ids: inout [Int32]) {
    if let id = model.whole(word) {
      ids.append(id)
      return
    }
    symbols.removeAll(keepingCapacity: symbols.capacity < 1 << 16)
    model.symbols(of: word, into: &symbols)
    if symbols.count <= Self.scanLimit {
      scan()
      ids += symbols
    } else {
      chain.merge(symbols, model.merges, into: &ids)
    }
  }

  /// Merges `symbols` in place, the pair of lowest rank first, from the left.
  private mutating func scan() {
    guard symbols.count > 1 else { return }
    pairs.removeAll(keepingCapacity: true)
    for place in 1..<symbols.count {
      pairs.append(model.merges[symbols[place - 1], symbols[place]])
    }
    while !pairs.isEmpty {
      var (best, place) = (MergeTable.Merge.none, 0)
      for index in pairs.indices where pairs[index] < best { (best, place) = (pairs[index], index) }
      guard best < .none else { return }
      symbols[place] = best.id
      symbols.remove(at: place + 1)
      pairs.remove(at: place)
      if place > 0 { pairs[place - 1] = model.merges[symbols[place - 1], symbols[place]] }
      if place < pairs.count { pairs[place] = model.merges[symbols[place], symbols[place + 1]] }
    }
  }
}
