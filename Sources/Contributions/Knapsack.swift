/// Chooses the items with the largest sum of gains under one or two limits (0-1 knapsack), by the
/// list of non-dominated states (Nemhauser & Ullmann 1969) with bounds from a surrogate relaxation
/// (Glover 1965).
///
/// Ties between equal gains: the set with fewer operations wins, then the one with fewer bytes
/// (with one limit the limited cost first), then the one nearer to the front of the list.
public struct Knapsack: Sendable {
  public struct Item: Hashable, Sendable {
    /// ≥ 0; resolved to 2⁻⁴⁰ of the largest.
    public var gain: Double
    /// ≥ 0.
    public var flops: Int
    /// ≥ 0.
    public var bytes: Int

    public init(gain: Double, flops: Int, bytes: Int) {
      self.gain = gain
      self.flops = flops
      self.bytes = bytes
    }
  }

  public struct Solution: Hashable, Sendable {
    /// Ascending positions of the chosen items. Those without a gain are never chosen.
    public var chosen: [Int]
    public var gain: Double
    public var flops: Int
    public var bytes: Int
    /// Whether costs were rounded up to shorten the list: the limits hold, but a better set may
    /// exist.
    public var isRounded: Bool
  }

  public var items: [Item]
  /// nil for no limit.
  public var flopsLimit: Int?
  public var bytesLimit: Int?

  /// Items from the most to the least preferred among equals.
  public init(_ items: [Item], flopsLimit: Int?, bytesLimit: Int?) {
    precondition(items.allSatisfy { $0.gain >= 0 && $0.flops >= 0 && $0.bytes >= 0 })
    self.items = items
    self.flopsLimit = flopsLimit
    self.bytesLimit = bytesLimit
  }

  /// A gain that no set within the limits exceeds.
  public var upperBound: Double {
    let relaxation = KnapsackRelaxation(entries(grid: nil), limits(grid: nil))
    return relaxation.bound(gain: 0, first: 0, second: 0, from: 0) * unit
  }

  /// The best set.
  ///
  /// - Parameter maximumStates: how long the list may get (at least 300) before costs are rounded up
  ///   to 1/4096 of their limit, or to 1/2048, 1/1024 … if that is not enough.
  public func solve(maximumStates: Int = 20_000) -> Solution {
    var grid: Int?
    while true {
      var states = KnapsackStates(entries(grid: grid), limits(grid: grid))
      if let chosen = states.solve(maximumStates: max(300, maximumStates)) {
        let chosen = chosen.sorted()
        return Solution(
          chosen: chosen, gain: chosen.reduce(0) { $0 + items[$1].gain },
          flops: chosen.reduce(0) { $0 + items[$1].flops },
          bytes: chosen.reduce(0) { $0 + items[$1].bytes }, isRounded: grid != nil)
      }
      grid = grid.map { $0 / 2 } ?? 4096
    }
  }

  /// The unit of gains, a power of 2, so that sums are exact and independent of their order.
  private var unit: Double {
    let largest = items.map(\.gain).max() ?? 0
    return largest > 0 ? largest.binade * 0x1p-40 : 1
  }

  /// The limits by which states are compared. An absent limit becomes 0, and its costs too.
  private func limits(grid: Int?) -> (first: Int, second: Int) {
    let given = [flopsLimit, bytesLimit].compactMap { $0 }.map { limit in
      limit < 0 ? -1 : limit / step(limit, grid)
    }
    return (given.first ?? 0, given.count == 2 ? given[1] : 0)
  }

  private func step(_ limit: Int, _ grid: Int?) -> Int {
    grid.map { max(1, (limit + $0 - 1) / $0) } ?? 1
  }

  /// Items with a gain above 0 that fit alone.
  private func entries(grid: Int?) -> [KnapsackEntry] {
    let limits = limits(grid: grid)
    func rounded(_ cost: Int, _ limit: Int) -> Int {
      let step = step(limit, grid)
      return cost / step + (cost % step == 0 ? 0 : 1)
    }
    return items.enumerated().compactMap { position, item in
      var entry = KnapsackEntry(gain: Int((item.gain / unit).rounded()), position: position)
      switch (flopsLimit, bytesLimit) {
      case (let flops?, let bytes?):
        entry.first = rounded(item.flops, flops)
        entry.second = rounded(item.bytes, bytes)
      case (let flops?, nil):
        entry.first = rounded(item.flops, flops)
        entry.tie = item.bytes
      case (nil, let bytes?):
        entry.first = rounded(item.bytes, bytes)
        entry.tie = item.flops
      case (nil, nil): break
      }
      let fits = entry.first <= limits.first && entry.second <= limits.second
      return entry.gain > 0 && fits ? entry : nil
    }
  }
}
