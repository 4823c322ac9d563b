/// An item as the list of states counts it.
struct KnapsackEntry {
  /// In units of the instance, > 0.
  var gain: Int
  /// Cost under the first limit, or 0.
  var first = 0
  /// Cost under the second limit, or 0.
  var second = 0
  /// A cost without a limit, which only decides between equals.
  var tie = 0
  var position: Int
}

/// Upper bounds: both limits summed into one with weights λ and 1 − λ, items divisible.
struct KnapsackRelaxation {
  /// From the highest gain per surrogate weight down; the order in which states are extended.
  let order: [KnapsackEntry]
  private let firstFactor: Double
  private let secondFactor: Double
  private let capacity: Double
  /// Sums over the entries before a place.
  private var weights: [Double] = [0]
  private var gains: [Double] = [0]

  /// Takes the λ in {0, 1/4, …, 1} with the lowest bound.
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

  /// No completion of a state with entries from a place on has a higher gain.
  func bound(gain: Int, first: Int, second: Int, from place: Int) -> Double {
    let used = firstFactor * Double(first) + secondFactor * Double(second)
    let room = weights[place] + max(0, capacity - used)
    // The last place whose entries before it all fit.
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
    // What rounding of the sums above may have taken away.
    return bound + 1 + 1e-12 * gains[order.count]
  }
}
