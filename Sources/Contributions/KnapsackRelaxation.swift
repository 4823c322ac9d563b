/// An item with its gain and costs in the knapsack's integer units.
struct KnapsackEntry {
  /// In units of the instance, > 0.
  var gain: Int
  /// Cost under the first limit, or 0.
  var first = 0
  /// Cost under the second limit, or 0.
  var second = 0
  /// The cost without a limit, which only breaks ties.
  var tie = 0
  var position: Int
}

/// Upper bounds from the relaxation: both limits summed into one with weights λ and 1 − λ, and
/// fractional items allowed.
struct KnapsackRelaxation {
  /// Entries by descending gain per surrogate weight; states are extended in this order.
  let order: [KnapsackEntry]
  private let firstFactor: Double
  private let secondFactor: Double
  private let capacity: Double
  /// Sums of weights and gains over the entries before each position.
  private var weights: [Double] = [0]
  private var gains: [Double] = [0]

  /// Uses the λ in {0, 1/4, …, 1} with the lowest bound.
  init(_ entries: [KnapsackEntry], _ limits: (first: Int, second: Int)) {
    var best = KnapsackRelaxation(entries, limits, lambda: 1)
    for quarters in 0..<4 where limits.second > 0 {
      let other = KnapsackRelaxation(entries, limits, lambda: Double(quarters) / 4)
      if other.rootBound < best.rootBound { best = other }
    }
    self = best
  }

  private init(
    _ entries: [KnapsackEntry], _ limits: (first: Int, second: Int), lambda: Double
  ) {
    let firstFactor = lambda / Double(max(1, limits.first))
    let secondFactor = (1 - lambda) / Double(max(1, limits.second))
    func weight(_ entry: KnapsackEntry) -> Double {
      firstFactor * Double(entry.first) + secondFactor * Double(entry.second)
    }
    order = entries.map { (density: Double($0.gain) / weight($0), entry: $0) }
      .sorted { one, other in
        one.density == other.density
          ? one.entry.position < other.entry.position : one.density > other.density
      }.map(\.entry)
    (self.firstFactor, self.secondFactor) = (firstFactor, secondFactor)
    capacity = firstFactor * Double(limits.first) + secondFactor * Double(limits.second)
    for entry in order {
      weights.append(weights[weights.count - 1] + weight(entry))
      gains.append(gains[gains.count - 1] + Double(entry.gain))
    }
  }

  private var rootBound: Double { bound(gain: 0, first: 0, second: 0, from: 0) }

  /// An upper bound of the gain of a state completed with entries from a position on.
  func bound(gain: Int, first: Int, second: Int, from place: Int) -> Double {
    let used = firstFactor * Double(first) + secondFactor * Double(second)
    let room = weights[place] + max(0, capacity - used)
    // Bisection for the last position up to which all entries fit.
    var (low, high) = (place, order.count + 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if weights[middle] <= room { low = middle } else { high = middle }
    }
    var bound = Double(gain) + gains[low] - gains[place]
    if low < order.count {
      let (more, width) = (gains[low + 1] - gains[low], weights[low + 1] - weights[low])
      bound += width > 0 ? more * min(1, (room - weights[low]) / width) : more
    }
    // Added because rounding may have lowered the sums above.
    return bound + 1 + 1e-12 * gains[order.count]
  }
}
