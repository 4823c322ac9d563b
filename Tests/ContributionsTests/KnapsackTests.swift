import Contributions
import Tensors
import Testing

/// The knapsack against every subset of small instances.
@Suite struct KnapsackTests {
  /// What decides between sets, the better first: gain, then costs, then the sum of positions.
  private struct Rank: Comparable, CustomStringConvertible {
    var figures: [Double]

    static func < (one: Self, other: Self) -> Bool {
      one.figures.lexicographicallyPrecedes(other.figures)
    }

    var description: String { "\(figures)" }
  }

  private func rank(_ knapsack: Knapsack, _ chosen: [Int]) -> Rank {
    let items = chosen.map { knapsack.items[$0] }
    let flops = Double(items.reduce(0) { $0 + $1.flops })
    let bytes = Double(items.reduce(0) { $0 + $1.bytes })
    // With a limit on bytes alone, they are what counts first.
    let bytesFirst = knapsack.flopsLimit == nil && knapsack.bytesLimit != nil
    return Rank(
      figures: [-items.reduce(0) { $0 + $1.gain }]
        + (bytesFirst ? [bytes, flops] : [flops, bytes])
        + [Double(chosen.reduce(0, +))])
  }

  private func fits(_ knapsack: Knapsack, _ chosen: [Int]) -> Bool {
    let items = chosen.map { knapsack.items[$0] }
    return items.reduce(0) { $0 + $1.flops } <= knapsack.flopsLimit ?? .max
      && items.reduce(0) { $0 + $1.bytes } <= knapsack.bytesLimit ?? .max
  }

  private func bruteForce(_ knapsack: Knapsack) -> [Int] {
    var best: (rank: Rank, chosen: [Int])?
    for mask in 0..<1 << knapsack.items.count {
      let chosen = knapsack.items.indices.filter { mask >> $0 & 1 == 1 }
      guard fits(knapsack, chosen) else { continue }
      let rank = rank(knapsack, chosen)
      if best.map({ rank < $0.rank }) ?? true { best = (rank, chosen) }
    }
    return best?.chosen ?? []
  }

  /// Gains are small whole numbers, so that sums are exact and often equal; some are zero.
  private func instance(
    _ random: inout RandomSource, items count: Int, costs: Int, kinds: Int = .max
  ) -> Knapsack {
    let palette = (0..<min(kinds, count)).map { _ in
      (flops: random.integer(below: costs), bytes: random.integer(below: costs))
    }
    let items = (0..<count).map { index in
      let cost = palette[index % palette.count]
      return Knapsack.Item(
        gain: Double(random.integer(below: 6)), flops: cost.flops, bytes: cost.bytes)
    }
    let limit = max(1, costs * count / 2)
    let limits = random.integer(below: 4)
    return Knapsack(
      items, flopsLimit: limits == 1 ? nil : random.integer(below: limit),
      bytesLimit: limits == 2 ? nil : random.integer(below: limit))
  }

  @Test func equalsAllSubsets() {
    var random = RandomSource(seed: 1)
    for round in 0..<400 {
      let knapsack = instance(
        &random, items: 1 + random.integer(below: 9), costs: round % 2 == 0 ? 12 : 1000,
        kinds: round % 3 == 0 ? 3 : .max)
      let solution = knapsack.solve()
      let expected = bruteForce(knapsack)
      #expect(fits(knapsack, solution.chosen))
      #expect(
        rank(knapsack, solution.chosen) == rank(knapsack, expected), "\(knapsack) \(expected)")
      #expect(!solution.isRounded)
      #expect(solution.gain <= knapsack.upperBound)
    }
  }

  @Test func withoutLimitsEverythingThatGains() {
    let items = [0.5, 0, 2].map { Knapsack.Item(gain: $0, flops: 3, bytes: 4) }
    let solution = Knapsack(items, flopsLimit: nil, bytesLimit: nil).solve()
    #expect(solution.chosen == [0, 2])
    #expect(solution.gain == 2.5 && solution.flops == 6 && solution.bytes == 8)
  }

  @Test func emptyAndUnreachable() {
    #expect(Knapsack([], flopsLimit: 5, bytesLimit: nil).solve().chosen.isEmpty)
    let item = Knapsack.Item(gain: 1, flops: 1, bytes: 1)
    #expect(Knapsack([item], flopsLimit: 0, bytesLimit: nil).solve().chosen.isEmpty)
    #expect(Knapsack([item], flopsLimit: nil, bytesLimit: -1).solve().chosen.isEmpty)
    let free = Knapsack.Item(gain: 1, flops: 0, bytes: 0)
    #expect(Knapsack([item, free], flopsLimit: 0, bytesLimit: 0).solve().chosen == [1])
  }

  @Test func equalItemsAreTakenFromTheFront() {
    let items = Array(repeating: Knapsack.Item(gain: 1, flops: 2, bytes: 3), count: 30)
    let solution = Knapsack(items, flopsLimit: 21, bytesLimit: 1000).solve()
    #expect(solution.chosen == Array(0..<10))
  }

  /// Items without any structure outgrow a short list: limits hold, and little is lost.
  @Test func roundingNeverOverstepsALimit() {
    var random = RandomSource(seed: 3)
    var rounded = 0
    for _ in 0..<40 {
      let items = (0..<60).map { _ in
        let size = 1_000_000 + random.integer(below: 1_000_000)
        return Knapsack.Item(
          gain: Double(size) * (1 + 0.01 * random.uniform()), flops: size,
          bytes: 1_000_000 + random.integer(below: 1_000_000))
      }
      let knapsack = Knapsack(
        items, flopsLimit: 20_000_000 + random.integer(below: 20_000_000),
        bytesLimit: 30_000_000 + random.integer(below: 20_000_000))
      let solution = knapsack.solve(maximumStates: 2000)
      #expect(fits(knapsack, solution.chosen))
      #expect(solution.gain > 0.8 * knapsack.upperBound)
      rounded += solution.isRounded ? 1 : 0
    }
    #expect(rounded > 20, "the bound on states was never reached: \(rounded) of 40")
  }

  /// As large as a model of 30 blocks: 7 kinds with few distinct costs, gains with noise.
  @Test func thirtyBlocksAreExact() {
    var random = RandomSource(seed: 4)
    let sizes = [1536, 1536, 1536, 576, 192, 576, 192]
    let items = (0..<210).map { index in
      let size = sizes[index % 7]
      return Knapsack.Item(
        gain: Double(size).squareRoot() * (1 + 0.1 * random.normal().magnitude),
        flops: 6 * size * 100, bytes: 12 * size * 97 + 1000 * (index % 7 / 2))
    }
    let flops = items.reduce(0) { $0 + $1.flops }
    let bytes = items.reduce(0) { $0 + $1.bytes }
    for (flopsShare, bytesShare) in [(0.3, 0.3), (0.6, nil), (nil, 0.2), (0.25, 0.24)] {
      let knapsack = Knapsack(
        items, flopsLimit: flopsShare.map { Int($0 * Double(flops)) },
        bytesLimit: bytesShare.map { Int($0 * Double(bytes)) })
      let solution = knapsack.solve()
      #expect(!solution.isRounded)
      #expect(fits(knapsack, solution.chosen))
      #expect(solution.gain > 0.99 * knapsack.upperBound)
    }
  }
}
