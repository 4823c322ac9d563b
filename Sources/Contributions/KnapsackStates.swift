/// The list of non-dominated states, extended by one item after another.
struct KnapsackStates {
  private struct State {
    var gain = 0
    var first = 0
    var second = 0
    var tie = 0
    /// Sum of the items' positions; a lower sum is nearer to the front of the list.
    var rank = 0
    /// Index of the node that records its last item; -1 for none.
    var node: Int32 = -1

    /// The sort order of the list; among equal costs the better state comes first.
    func precedes(_ other: State) -> Bool {
      if first != other.first { return first < other.first }
      if second != other.second { return second < other.second }
      if gain != other.gain { return gain > other.gain }
      return tie == other.tie ? rank < other.rank : tie < other.tie
    }
  }

  private let limits: (first: Int, second: Int)
  private let relaxation: KnapsackRelaxation
  private var nodes: [(position: Int32, parent: Int32)] = []

  init(_ entries: [KnapsackEntry], _ limits: (first: Int, second: Int)) {
    self.limits = limits
    relaxation = KnapsackRelaxation(entries, limits)
  }

  /// Positions of the best set's items, or nil if the list grew longer than allowed.
  mutating func solve(maximumStates: Int) -> [Int]? {
    var states = [State()]
    var known = greedyGain(State(), from: 0)
    for (place, entry) in relaxation.order.enumerated() {
      states = undominated(merged(states, extended(states, by: entry)))
      var highest = (bound: 0.0, state: State())
      var kept: [State] = []
      kept.reserveCapacity(states.count)
      for state in states {
        let bound = relaxation.bound(
          gain: state.gain, first: state.first, second: state.second, from: place + 1)
        guard bound >= Double(known) else { continue }
        if bound > highest.bound { highest = (bound, state) }
        kept.append(state)
      }
      guard kept.count <= maximumStates else { return nil }
      known = max(known, greedyGain(highest.state, from: place + 1))
      states = recorded(kept, after: entry)
    }
    return best(states)
  }

  /// The gain of a state after adding, in order, every later entry that still fits.
  private func greedyGain(_ state: State, from place: Int) -> Int {
    var (gain, first, second) = (state.gain, state.first, state.second)
    for entry in relaxation.order[place...]
    where first + entry.first <= limits.first && second + entry.second <= limits.second {
      gain += entry.gain
      first += entry.first
      second += entry.second
    }
    return gain
  }

  /// States with the entry added; `node` keeps the parent's, marked below -1 until it is recorded.
  private func extended(_ states: [State], by entry: KnapsackEntry) -> [State] {
    states.compactMap { state in
      guard state.first + entry.first <= limits.first,
        state.second + entry.second <= limits.second
      else { return nil }
      return State(
        gain: state.gain + entry.gain, first: state.first + entry.first,
        second: state.second + entry.second, tie: state.tie + entry.tie,
        rank: state.rank + entry.position, node: -3 - state.node)
    }
  }

  /// Records the nodes of new states.
  private mutating func recorded(_ states: [State], after entry: KnapsackEntry) -> [State] {
    states.map { state in
      guard state.node < -1 else { return state }
      var state = state
      nodes.append((Int32(entry.position), -3 - state.node))
      state.node = Int32(nodes.count - 1)
      return state
    }
  }

  private func merged(_ one: [State], _ other: [State]) -> [State] {
    var result: [State] = []
    result.reserveCapacity(one.count + other.count)
    var (left, right) = (0, 0)
    while left < one.count, right < other.count {
      if other[right].precedes(one[left]) {
        result.append(other[right])
        right += 1
      } else {
        result.append(one[left])
        left += 1
      }
    }
    return result + one[left...] + other[right...]
  }

  /// Drops every state whose gain an earlier one equals or exceeds at no higher costs.
  private func undominated(_ states: [State]) -> [State] {
    // The highest gain by second cost among the states so far; both ascend.
    var steps: [(second: Int, gain: Int)] = []
    return states.filter { state in
      var (low, high) = (0, steps.count)
      while low < high {
        let middle = (low + high) / 2
        if steps[middle].second <= state.second { low = middle + 1 } else { high = middle }
      }
      if low > 0, steps[low - 1].gain >= state.gain { return false }
      let start = low > 0 && steps[low - 1].second == state.second ? low - 1 : low
      var end = low
      while end < steps.count, steps[end].gain <= state.gain { end += 1 }
      let step = (second: state.second, gain: state.gain)
      steps.replaceSubrange(start..<end, with: CollectionOfOne(step))
      return true
    }
  }

  private func best(_ states: [State]) -> [Int] {
    var best = State()
    for state in states where state.gain > best.gain { best = state }
    var positions: [Int] = []
    var node = best.node
    while node >= 0 {
      positions.append(Int(nodes[Int(node)].position))
      node = nodes[Int(node)].parent
    }
    return positions
  }
}
