import Contributions
import Tensors
import TestSupport
import Testing
import Training

/// The search against every subset, with costs that add up.
@Suite struct SchemeSearchTests {
  private struct Best: Equatable {
    var gain = 0.0
    var flops = Int.max
    var bytes = Int.max

    /// Of equal gains the cheaper is better: the limited cost counts first.
    mutating func improve(_ other: Best, _ budget: SchemeBudget) {
      let isBetter =
        budget.flopsShare == nil
        ? (-other.gain, other.bytes, other.flops) < (-gain, bytes, flops)
        : (-other.gain, other.flops, other.bytes) < (-gain, flops, bytes)
      if other.gain > 0, isBetter { self = other }
    }
  }

  private struct Instance {
    var costs: AdditiveCosts
    var headShares: [Double]
    var gains: [SchemeItem: Double]
    var budget: SchemeBudget
  }

  private func instance(_ random: inout RandomSource, layers: Int) -> Instance {
    let costs = AdditiveCosts(layers: layers, random: &random)
    let headShares: [Double] = random.uniform() < 0.5 ? [1, 0.25] : []
    let space = costs.costs(headShares: headShares).space
    let gains = space.items.map { ($0, Double(random.integer(below: 8))) }
    let everything = costs.cost(space.scheme(space.items.filter { $0.path != "head" }))
    let limits = random.integer(below: 4)
    let share = 0.4 + 0.6 * random.uniform()
    return Instance(
      costs: costs, headShares: headShares, gains: Dictionary(uniqueKeysWithValues: gains),
      budget: SchemeBudget(
        bytes: limits == 1 ? nil : Int((0.4 + 0.6 * random.uniform()) * Double(everything.bytes)),
        flopsShare: limits == 2 ? nil : share))
  }

  /// The best subset of all and of those with the head.
  private func bruteForce(_ instance: Instance) -> (best: Best, withHead: Best) {
    let space = instance.costs.costs().space
    let tensors = space.items.compactMap { item in
      instance.costs.place(item.path).map { (item: item, place: $0) }
    }
    let heads =
      [(0.0, 0, 0)]
      + instance.headShares.map { share in
        (
          instance.gains[SchemeItem("head", share: share)] ?? 0,
          Int(share * Double(instance.costs.head.flops)),
          Int(share * Double(instance.costs.head.bytes))
        )
      }
    var (best, withHead) = (Best(), Best())
    for mask in 0..<1 << tensors.count {
      var (gain, flops, bytes, cut) = (0.0, 0, 0, -1)
      for (index, tensor) in tensors.enumerated() where mask >> index & 1 == 1 {
        gain += instance.gains[tensor.item] ?? 0
        flops += instance.costs.trained[tensor.place.kind].flops
        bytes += instance.costs.trained[tensor.place.kind].bytes
        cut = max(cut, tensor.place.depth)
      }
      let pass = instance.costs.pass(to: max(0, cut))
      for (index, head) in heads.enumerated() where cut >= 0 || index > 0 {
        let sum = (flops + pass.flops + head.1, bytes + pass.bytes + head.2)
        let cost = SchemeCost(
          flops: sum.0, bytes: sum.1, flopsShare: Double(sum.0) / Double(instance.costs.fullFlops))
        guard cost.fits(instance.budget) else { continue }
        let found = Best(gain: gain + head.0, flops: sum.0, bytes: sum.1)
        best.improve(found, instance.budget)
        if index > 0, head.0 > 0 { withHead.improve(found, instance.budget) }
      }
    }
    return (best, withHead)
  }

  private func figures(_ proposal: SchemeSearch.Proposal?) -> Best {
    proposal.map { Best(gain: $0.gain, flops: $0.cost.flops, bytes: $0.cost.bytes) } ?? Best()
  }

  @Test func equalsAllSubsets() throws {
    var random = RandomSource(seed: 11)
    for round in 0..<60 {
      let instance = instance(&random, layers: round < 5 ? 2 : 1)
      let search = SchemeSearch(
        instance.costs.costs(headShares: instance.headShares), gains: instance.gains,
        budget: instance.budget)
      let (best, withHead) = bruteForce(instance)
      #expect(figures(try search.best()) == best, "round \(round)")
      #expect(figures(try search.best(.withHead)) == withHead, "round \(round)")
    }
  }

  @Test func plantedTensorIsFound() throws {
    var random = RandomSource(seed: 12)
    let costs = AdditiveCosts(layers: 6, random: &random)
    for path in ["layers[2].attention.key", "layers[5].mlp.down", "layers[3].mlp.up"] {
      var gains = Dictionary(uniqueKeysWithValues: costs.costs().space.items.map { ($0, 0.01) })
      gains[SchemeItem(path)] = 100
      let alone = costs.cost([path: 1])
      let search = SchemeSearch(
        costs.costs(), gains: gains,
        budget: SchemeBudget(bytes: alone.bytes, flopsShare: alone.flopsShare))
      let best = try #require(try search.best())
      #expect(best.scheme[path] == 1)
    }
  }

  @Test func moreBudgetNeverGainsLess() throws {
    var random = RandomSource(seed: 13)
    for _ in 0..<10 {
      var instance = instance(&random, layers: 4)
      let shared = instance.costs.costs(headShares: instance.headShares)
      var last = 0.0
      for share in stride(from: 0.4, through: 1, by: 0.05) {
        instance.budget.flopsShare = share
        let search = SchemeSearch(shared, gains: instance.gains, budget: instance.budget)
        let gain = try search.best()?.gain ?? 0
        #expect(gain >= last)
        last = gain
      }
    }
  }

  @Test func nothingGainsNothing() throws {
    var random = RandomSource(seed: 14)
    let costs = AdditiveCosts(layers: 3, random: &random).costs()
    let gains = Dictionary(uniqueKeysWithValues: costs.space.items.map { ($0, -0.5) })
    let search = SchemeSearch(
      costs, gains: gains, budget: SchemeBudget(bytes: nil, flopsShare: nil))
    #expect(try search.best() == nil)
    #expect(try search.best(.withHead) == nil)
  }

  /// Peaks that do not add up: the set is compiled, and a lower limit is tried if it oversteps.
  @Test(arguments: [-0.15, 0.15]) func unevenBytesStayWithinTheBudget(bend: Double) throws {
    var random = RandomSource(seed: 15)
    let model = AdditiveCosts(layers: 4, random: &random)
    func bent(_ scheme: [String: Double]) -> SchemeCost {
      var cost = model.cost(scheme)
      let trained = Double(scheme.keys.compactMap(model.place).count)
      cost.bytes += Int(bend * trained * trained)
      return cost
    }
    for bytes in stride(from: 1000, through: 4000, by: 250) {
      let costs = SchemeCosts(SchemeSpace(TinyModel.configuration(layers: 4))) {
        scheme throws(TrainingError) in bent(scheme)
      }
      let gains = Dictionary(
        uniqueKeysWithValues: costs.space.items.map { ($0, 1 + random.uniform()) })
      let budget = SchemeBudget(bytes: bytes, flopsShare: nil)
      guard let best = try SchemeSearch(costs, gains: gains, budget: budget).best() else {
        continue
      }
      #expect(best.cost == bent(best.scheme))
      #expect(best.cost.fits(budget))
      let chosen = costs.space.items.filter { best.scheme[$0.path] != nil }
      for item in costs.space.items where !chosen.contains(item) {
        #expect(!bent(costs.space.scheme(chosen + [item])).fits(budget), "\(item) still fits")
      }
    }
  }
}
