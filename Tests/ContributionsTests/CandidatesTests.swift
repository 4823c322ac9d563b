import Adaptations
import Contributions
import Models
import Tensors
import TestSupport
import Testing
import Training

/// Candidates under budgets: within them, and filled.
@Suite struct CandidatesTests {
  /// Gains by item: the head's, then by kind with a little noise.
  private func gains(_ space: SchemeSpace, seed: UInt64 = 3) -> [SchemeItem: Double] {
    var random = RandomSource(seed: seed)
    return Dictionary(
      uniqueKeysWithValues: space.items.map { item in
        let kind = item.path.contains("mlp") ? 2.0 : item.path == "head" ? 3 : 1
        return (item, kind * (1 + 0.1 * random.uniform()))
      })
  }

  private func candidates(_ costs: SchemeCosts, seed: UInt64 = 1) -> Candidates {
    Candidates(costs, seed: seed)
  }

  /// What a candidate trains, without norms and biases.
  private func items(_ candidate: Candidate, _ space: SchemeSpace) -> [SchemeItem] {
    space.items.filter { candidate.scheme[$0.path] == $0.share }
  }

  /// The head goes with the last blocks of small models only.
  @Test func withoutProbesLargeModelsKeepTheirHead() {
    func candidate(_ kind: Candidate.Kind, head: Double?) -> Candidate {
      var scheme = ["layers[2].mlp.down": 1.0]
      scheme["head"] = head
      return Candidate(
        label: kind.rawValue, scheme: scheme,
        cost: SchemeCost(flops: 1, bytes: 1, flopsShare: 0.5), kind: kind)
    }
    let all = [
      candidate(.lastBlocks, head: nil), candidate(.lastBlocksWithHead, head: 0.4),
      candidate(.lastBlocksWithHead, head: 1), candidate(.random, head: nil),
    ]
    #expect(Candidates.unprobed(all, parameters: 5_500_000) == all[2])
    #expect(Candidates.unprobed(all, parameters: 135_000_000) == all[0])
    #expect(Candidates.unprobed([all[3]], parameters: 135_000_000) == all[3])
    let rival = Self.rival("LoRA of rank 8")
    #expect(Candidates.unprobed(all + [rival], parameters: 5_500_000) == all[2])
    #expect(Candidates.unprobed(all + [rival], parameters: 135_000_000) == rival)
  }

  private static func rival(_ label: String) -> Candidate {
    Candidate(
      label: label, CandidateMethod(FullAdaptation(), recipe: ["type": .string(label)]),
      cost: SchemeCost(flops: 1, bytes: 1, flopsShare: 0.7))
  }

  /// What has done best on models of a size is probed first; other methods take part at both ends.
  @Test func otherMethodsTakePartInTheOrderOfTheModelsSize() throws {
    var random = RandomSource(seed: 3)
    let costs = AdditiveCosts(layers: 4, random: &random).costs(headShares: [1])
    let rivals = [Self.rival("LoRA of rank 8"), Self.rival("LoRA of rank 32")]
    func kinds(_ parameters: Int) throws -> [Candidate.Kind] {
      try candidates(costs).all(
        within: SchemeBudget(bytes: nil, flopsShare: 0.6), rivals: rivals, parameters: parameters,
        randomDraws: 0
      ).map(\.kind)
    }
    let (small, large) = (try kinds(5_500_000), try kinds(135_000_000))
    #expect(Set(small) == Set(large) && small.count == large.count && !small.contains(.random))
    #expect(small.prefix(4) == [.lastBlocks, .lastBlocksWithHead, .method, .method])
    #expect(large.prefix(4) == [.method, .method, .spread, .lastBlocks])
  }

  /// Gemma 3's linear maps can be chosen as Llama's, and bring the norms that gradients cross anyway.
  @Test func schemesOfGemma3() {
    let space = SchemeSpace(TinyModel.gemma3(), headShares: [0.1])
    #expect(space.items.count == 1 + 3 * LinearKind.allCases.count)
    let scheme = space.scheme([SchemeItem("layers[2].attention.output")])
    let norms = ["attention_post_norm", "mlp_norm", "mlp_post_norm"].map { "layers[2].\($0)" }
    #expect(Set(scheme.keys) == Set(norms + ["layers[2].attention.output", "norm"]))
  }

  /// Tensors that a candidate of this kind would take as well if they fitted.
  private func family(_ candidate: Candidate, _ space: SchemeSpace) -> [SchemeItem] {
    let linear = space.items.filter { $0.path != "head" }
    let missing = linear.filter { candidate.scheme[$0.path] == nil }
    func block(_ item: SchemeItem) -> String { String(item.path.prefix { $0 != "." }) }
    switch candidate.kind {
    case .method: return []
    case .random, .contributions, .firstOrder: return missing
    case .spread:
      let pattern = missing.filter { item in
        ["value", "output", "down"].contains { item.path.hasSuffix($0) }
      }
      return pattern.filter { block($0) == block(pattern[0]) }
    case .lastBlocks, .lastBlocksWithHead:
      return missing.filter { block($0) == block(missing[0]) }
    case .attentionAndUp:
      let pattern = missing.filter {
        $0.path.contains("attention") || $0.path.hasSuffix("up")
      }
      return pattern.filter { block($0) == block(pattern[0]) }
    case .mlpFirst:
      let used = Set(linear.filter { candidate.scheme[$0.path] != nil }.map(block))
      let nextDown = missing.first { $0.path.hasSuffix("down") }
      return missing.filter { used.contains(block($0)) || $0 == nextDown }
    }
  }

  private func expectFilled(
    _ found: [Candidate], _ budget: SchemeBudget, _ costs: SchemeCosts,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for candidate in found {
      let chosen = items(candidate, costs.space)
      #expect(candidate.scheme == costs.space.scheme(chosen), sourceLocation: sourceLocation)
      #expect(candidate.cost == (try costs(chosen)), sourceLocation: sourceLocation)
      #expect(candidate.cost.fits(budget), sourceLocation: sourceLocation)
      for item in family(candidate, costs.space) {
        #expect(
          !(try costs(chosen + [item])).fits(budget),
          "\(candidate.label): \(item.path) still fits into \(budget)",
          sourceLocation: sourceLocation)
      }
    }
  }

  @Test func syntheticBudgetsAreKeptAndFilled() throws {
    var random = RandomSource(seed: 21)
    for round in 0..<12 {
      let model = AdditiveCosts(layers: 5, random: &random)
      let costs = model.costs(headShares: round % 2 == 0 ? [1, 0.25] : [])
      let whole = try costs(costs.space.items.filter { $0.path != "head" })
      for share in [0.45, 0.6, 0.8, 1] {
        let budget = SchemeBudget(
          bytes: round % 3 == 0 ? nil : Int(share * Double(whole.bytes)),
          flopsShare: round % 3 == 1 ? nil : share)
        do {
          let found = try candidates(costs).all(within: budget, gains: gains(costs.space))
          try expectFilled(found, budget, costs)
          #expect(Set(found.map(\.scheme)).count == found.count, "equal schemes")
          // Costs add up here, so no other set has a larger sum.
          let search = SchemeSearch(costs, gains: gains(costs.space), budget: budget)
          let best = try #require(try search.best())
          let most = try #require(found.max { $0.predictedGain ?? 0 < $1.predictedGain ?? 0 })
          #expect(best.gain > (most.predictedGain ?? 0) * (1 - 1e-9))
          #expect(found.contains { $0.scheme == best.scheme })
        } catch TrainingError.budget {
          #expect(share < 0.6)
        }
      }
    }
  }

  /// First-order gains propose linear maps alone, however large the head's gradient is, and in a
  /// pretrained model they are probed before rules of kind.
  @Test func firstOrderGainsProposeLinearMaps() throws {
    var random = RandomSource(seed: 5)
    let costs = AdditiveCosts(layers: 4, random: &random).costs(headShares: [1])
    let budget = SchemeBudget(bytes: nil, flopsShare: 0.8)
    var firstOrder = gains(costs.space)
    for item in costs.space.items where item.path == "head" { firstOrder[item] = 1000 }
    let found = try candidates(costs).all(
      within: budget, firstOrder: firstOrder, parameters: 135_000_000)
    let proposed = try #require(found.first { $0.kind == .firstOrder })
    #expect(proposed.scheme["head"] == nil)
    try expectFilled([proposed], budget, costs)
    let best = try SchemeSearch(
      costs, gains: firstOrder.filter { $0.key.path != "head" }, budget: budget
    ).best()
    #expect(proposed.scheme == best?.scheme)
    let order = found.map(\.kind)
    let spread = try #require(order.firstIndex(of: .spread))
    #expect(try #require(order.firstIndex(of: .firstOrder)) < spread)
  }

  /// With the compiler's own costs, of an untied model so that the head can train.
  @Test func compiledBudgetsAreKeptAndFilled() throws {
    let model = try CompilerCosts(TinyModel.configuration(layers: 3, tiedHead: false))
    let costs = model.costs(headShares: [1, 0.5])
    let whole = try costs(costs.space.items.filter { $0.path != "head" })
    for (bytes, time) in [(nil, 0.6), (0.7, nil), (0.8, 0.75), (0.9, 0.9)] {
      let budget = SchemeBudget(
        bytes: bytes.map { Int($0 * Double(whole.bytes)) }, flopsShare: time)
      let found = try candidates(costs).all(within: budget, gains: gains(costs.space))
      try expectFilled(found, budget, costs)
      // Some may equal an earlier one, but then it is there.
      for kind in Candidates.Control.allCases {
        let control = try candidates(costs).control(kind, within: budget)
        #expect(found.contains { $0.scheme == control.scheme }, "\(kind) within \(budget)")
      }
      #expect(found.allSatisfy { $0.predictedGain ?? 0 > 0 })
    }
  }

  @Test func schemesCarryNormsAboveTheCutAndBiases() throws {
    let configuration = TinyModel.configuration(layers: 3, tiedHead: false, attentionBias: true)
    let space = SchemeSpace(configuration, headShares: [1])
    #expect(space.scheme([SchemeItem("head")]) == ["head": 1])
    #expect(
      Set(space.scheme([SchemeItem("layers[1].mlp.up")]).keys) == [
        "layers[1].mlp.up", "norm", "layers[2].mlp_norm", "layers[2].attention_norm",
      ])
    #expect(
      Set(space.scheme([SchemeItem("layers[2].attention.query")]).keys) == [
        "layers[2].attention.query", "layers[2].attention.query.bias", "norm",
        "layers[2].mlp_norm",
      ])
  }

  /// Norms that ride along lengthen no backward pass: only their own small gradients are added.
  @Test func normsAboveTheCutAreNearlyFree() throws {
    let model = try CompilerCosts(TinyModel.configuration(layers: 3, tiedHead: false))
    let space = SchemeSpace(model.configuration)
    for item in space.items {
      let (alone, whole) = (try model.cost([item.path: 1]), try model.cost(space.scheme([item])))
      #expect(Double(whole.flops) < 1.01 * Double(alone.flops), "\(item.path)")
    }
  }

  @Test func lastBlocksAreWholeBlocksFromTheTop() throws {
    var random = RandomSource(seed: 22)
    let costs = AdditiveCosts(layers: 5, random: &random).costs()
    let two = costs.space.items.filter {
      $0.path.hasPrefix("layers[4]") || $0.path.hasPrefix("layers[3]")
    }
    let budget = SchemeBudget(bytes: nil, flopsShare: try costs(two).flopsShare)
    let found = try candidates(costs).control(.lastBlocks, within: budget)
    #expect(found.scheme == costs.space.scheme(two))
    #expect(found.label == "the last 2 of 5 blocks")
    #expect(found.explanation.contains("a fixed rule filled to the budget"))
    #expect(found.kind == .lastBlocks)
  }

  /// Nothing is proposed by gains where nothing gains.
  @Test func withoutAnyGainTheOthersStand() throws {
    var random = RandomSource(seed: 26)
    let candidates = candidates(AdditiveCosts(layers: 3, random: &random).costs())
    let budget = SchemeBudget(bytes: nil, flopsShare: 0.8)
    let found = try candidates.all(within: budget, gains: [:])
    #expect(found.map(\.scheme) == (try candidates.all(within: budget)).map(\.scheme))
    #expect(found.first?.scheme == (try candidates.control(.lastBlocks, within: budget)).scheme)
  }

  @Test func moreBudgetNeverLosesBlocks() throws {
    var random = RandomSource(seed: 23)
    let costs = AdditiveCosts(layers: 5, random: &random).costs()
    let whole = try costs(costs.space.items)
    var last = 0
    for share in stride(from: 0.5, through: 1, by: 0.05) {
      let budget = SchemeBudget(bytes: Int(share * Double(whole.bytes)), flopsShare: nil)
      let found = try candidates(costs).control(.lastBlocks, within: budget)
      let blocks = (0..<5).count { layer in
        costs.space.items.allSatisfy {
          !$0.path.hasPrefix("layers[\(layer)]") || found.scheme[$0.path] != nil
        }
      }
      #expect(blocks >= last)
      last = blocks
    }
    #expect(last == 5)
  }

  @Test func candidatesAreAFunctionOfTheSeed() throws {
    var random = RandomSource(seed: 24)
    let model = AdditiveCosts(layers: 6, random: &random)
    let budget = SchemeBudget(bytes: nil, flopsShare: 0.8)
    func all(_ seed: UInt64) throws -> [Candidate] {
      let costs = model.costs(headShares: [1])
      return try candidates(costs, seed: seed).all(within: budget, gains: gains(costs.space))
    }
    let one = try all(1)
    #expect(one == (try all(1)))
    let other = try all(2)
    #expect(one.filter { $0.kind != .random } == other.filter { $0.kind != .random })
    #expect(one.filter { $0.kind == .random } != other.filter { $0.kind == .random })
    #expect(
      try candidates(model.costs()).control(.random, within: budget).scheme
        == one.first { $0.kind == .random }?.scheme)
  }

  @Test(arguments: [SchemeBudget(bytes: 1000, flopsShare: nil), .init(bytes: nil, flopsShare: 0.2)])
  func refusalCarriesFiguresThatDo(budget: SchemeBudget) throws {
    let model = try CompilerCosts(TinyModel.configuration(layers: 3))
    let candidates = candidates(model.costs())
    let refused: [() throws -> Void] = [
      { _ = try candidates.all(within: budget) },
      { _ = try candidates.control(.lastBlocks, within: budget) },
      { _ = try candidates.control(.random, within: budget) },
    ]
    for body in refused {
      let error = #expect(throws: TrainingError.self) { try body() }
      guard case .budget(let bytes, let flopsShare) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(error?.category == .usage)
      let least = SchemeBudget(bytes: bytes, flopsShare: flopsShare)
      #expect(try !candidates.all(within: least).isEmpty)
      for kind in Candidates.Control.allCases {
        #expect(try candidates.control(kind, within: least).cost.fits(least))
      }
    }
  }

  /// A model of 30 blocks: the compilations for one candidate, and for all with contributions.
  @Test(arguments: [
    SchemeBudget(bytes: nil, flopsShare: 0.6), .init(bytes: 9_000, flopsShare: nil),
  ])
  func thirtyBlocksNeedFewCompilations(budget: SchemeBudget) throws {
    var random = RandomSource(seed: 25)
    let model = AdditiveCosts(layers: 30, random: &random)
    let single = model.costs()
    _ = try candidates(single).control(.lastBlocks, within: budget)
    #expect(single.compilations <= 15)
    let costs = model.costs(headShares: [1, 0.3])
    let found = try candidates(costs).all(
      within: budget, gains: gains(costs.space), firstOrder: gains(costs.space, seed: 4))
    #expect(Set(found.map(\.kind)) == Set(Candidate.Kind.allCases).subtracting([.method]))
    #expect(costs.compilations <= 300, "\(costs.compilations)")
  }
}
