import Adaptations
import Configurations
import Contributions
import TestSupport
import Testing
import Training

/// Choosing tensors by a rule under a budget.
@Suite struct SchemeRuleTests {
  private let configuration = TinyModel.configuration(layers: 5)

  /// Bytes: 16 per trained parameter. Time: a third for the forward pass, the rest by depth.
  private func cost(_ scheme: [String: Double]) -> (bytes: Int, stepTime: Double) {
    let parameters = configuration.parameters.filter { scheme[$0.name] != nil }
    let bytes = parameters.reduce(0) { $0 + 16 * $1.shape.count }
    let layers = (0..<configuration.layers).filter { layer in
      scheme.keys.contains { $0.hasPrefix("layers[\(layer)].") }
    }
    let deepest = layers.min() ?? configuration.layers
    let depth = Double(configuration.layers - deepest) / Double(configuration.layers)
    let share = Double(parameters.count) / Double(configuration.parameters.count)
    return (bytes, 1.0 / 3 + depth / 3 + share / 3)
  }

  private func rule(seed: UInt64 = 1) -> SchemeRule {
    SchemeRule(configuration, seed: seed) { scheme throws(TrainingError) in cost(scheme) }
  }

  @Test(arguments: [SchemeRule.Order.lastBlocks, .random])
  func budgetIsKeptAndFilled(order: SchemeRule.Order) throws {
    var last = Set<String>()
    let everything = cost(try rule().choose(order, within: .init(bytes: nil, stepTime: nil)).scheme)
    for share in stride(from: 0.25, through: 1.0, by: 0.05) {
      let limit = Int(share * Double(everything.bytes))
      let found = try rule().choose(order, within: .init(bytes: limit, stepTime: nil)).scheme
      #expect(cost(found).bytes <= limit)
      let names = Set(found.keys)
      #expect(names.isSuperset(of: last), "a larger budget lost tensors")
      if last.count < names.count, !last.isEmpty {
        // What was added now had not fitted before.
        #expect(cost(found).bytes > Int((share - 0.05) * Double(everything.bytes)))
      }
      last = names
    }
    #expect(cost(Dictionary(uniqueKeysWithValues: last.map { ($0, 1) })) == everything)
  }

  @Test func lastBlocksAreWholeBlocksFromTheTop() throws {
    let found = try rule().choose(.lastBlocks, within: .init(bytes: nil, stepTime: 0.7))
    let expected = configuration.parameters.map(\.name).filter { name in
      name == "norm" || [3, 4].contains { name.hasPrefix("layers[\($0)].") }
    }
    #expect(Set(found.scheme.keys) == Set(expected))
    #expect(found.scheme.values.allSatisfy { $0 == 1 })
    #expect(found.explanation.contains("the last 2 of 5 blocks"))
  }

  @Test func bothLimitsHold() throws {
    for (bytes, stepTime) in [(nil, 0.7), (150_000, nil), (150_000, 0.7), (400_000, 0.6)] {
      let budget = SchemeBudget(bytes: bytes, stepTime: stepTime)
      let found = cost(try rule().choose(.lastBlocks, within: budget).scheme)
      #expect(found.bytes <= bytes ?? .max && found.stepTime <= stepTime ?? 1)
    }
  }

  @Test func randomIsAFunctionOfTheSeed() throws {
    let budget = SchemeBudget(bytes: nil, stepTime: 0.9)
    let one = try rule(seed: 1).choose(.random, within: budget).scheme
    #expect(one == (try rule(seed: 1).choose(.random, within: budget).scheme))
    #expect(one != (try rule(seed: 2).choose(.random, within: budget).scheme))
    let linear = configuration.parameters.filter { $0.isMatrix && $0.name != "embedding" }
    #expect(Set(one.keys).isSubset(of: Set(linear.map(\.name))))
  }

  @Test func refusalCarriesTheSmallestFigures() throws {
    let smallest = cost(
      Dictionary(
        uniqueKeysWithValues: configuration.parameters.map(\.name)
          .filter { $0 == "norm" || $0.hasPrefix("layers[4].") }.map { ($0, 1) }))
    for budget in [SchemeBudget(bytes: 1000, stepTime: nil), .init(bytes: nil, stepTime: 0.4)] {
      let error = #expect(throws: TrainingError.self) {
        try rule().choose(.lastBlocks, within: budget)
      }
      guard case .budget(let bytes, let stepTime) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(bytes == smallest.bytes && stepTime == smallest.stepTime)
      #expect(error?.category == .usage)
      // Those figures, taken as the budget, do.
      let found = try rule().choose(.lastBlocks, within: .init(bytes: bytes, stepTime: stepTime))
      #expect(cost(found.scheme).bytes == bytes)
    }
  }

  /// With the compiler's own costs: more blocks never cost less, and the forecast keeps the budget.
  @Test func realCosts() throws {
    let fixture = try TrainingFixture(TinyModel.configuration(layers: 3))
    let settings = TrainingFixture.settings(steps: 1)
    let full = try fixture.step(FullAdaptation(), settings).flopsPerToken
    func cost(_ scheme: [String: Double]) throws(TrainingError) -> (bytes: Int, stepTime: Double) {
      let step = try CompiledStep(
        fixture.configuration, adaptation: SparseAdaptation(scheme: scheme),
        optimizer: settings.optimizer, clipNorm: settings.clipNorm, shape: settings.shape)
      return (
        MemoryForecast(step, threads: 2, runtimeBytes: 0).total, step.flopsPerToken / full
      )
    }
    let rule = SchemeRule(fixture.configuration, seed: 1, cost: cost)
    var last = (bytes: 0, stepTime: 0.0)
    for stepTime in [0.6, 0.7, 0.85, 1] {
      let found = try cost(
        try rule.choose(.lastBlocks, within: .init(bytes: nil, stepTime: stepTime)).scheme)
      #expect(found.stepTime <= stepTime)
      #expect(found.bytes >= last.bytes && found.stepTime >= last.stepTime)
      last = found
    }
    #expect(last.stepTime > 0.85, "all blocks fit into the time of all parameters")
  }
}
