import Adaptations
import Contributions
import Models
import Records
import Tensors
import TestSupport
import Training

/// Made-up costs that add up exactly: every kind of tensor has its own, and every stage of the
/// backward pass that a scheme goes through.
struct AdditiveCosts {
  static let kinds = ["down", "gate", "up", "output", "value", "query", "key"]
  private static let stages = [0, 1, 1, 2, 3, 3, 3]

  let layers: Int
  let forward: (flops: Int, bytes: Int)
  /// By kind, of a trained tensor.
  let trained: [(flops: Int, bytes: Int)]
  /// By stage, of one that the backward pass goes through.
  let passed: [(flops: Int, bytes: Int)]
  let head: (flops: Int, bytes: Int)

  init(layers: Int, random: inout RandomSource) {
    func costs(_ range: Range<Int>, _ random: inout RandomSource) -> (flops: Int, bytes: Int) {
      (
        range.lowerBound + random.integer(below: range.count),
        range.lowerBound + random.integer(below: range.count)
      )
    }
    self.layers = layers
    forward = costs(500..<1000, &random)
    trained = Self.kinds.map { _ in costs(10..<100, &random) }
    passed = (0..<4).map { _ in costs(5..<60, &random) }
    head = costs(50..<300, &random)
  }

  /// The kind and the depth of a linear map.
  func place(_ path: String) -> (kind: Int, depth: Int)? {
    guard path.hasPrefix("layers["), let kind = Self.kinds.firstIndex(where: path.hasSuffix),
      let layer = Int(path.dropFirst(7).prefix { $0 != "]" })
    else { return nil }
    return (kind, (layers - 1 - layer) * 4 + Self.stages[kind])
  }

  /// What goes through the backward pass to a depth, without what trains.
  func pass(to depth: Int) -> (flops: Int, bytes: Int) {
    var sum = forward
    for stage in 0..<depth {
      sum.flops += passed[stage % 4].flops
      sum.bytes += passed[stage % 4].bytes
    }
    return sum
  }

  var fullFlops: Int {
    pass(to: 4 * layers).flops + layers * trained.reduce(0) { $0 + $1.flops } + head.flops
  }

  func cost(_ scheme: [String: Double]) -> SchemeCost {
    let places = scheme.keys.compactMap(place)
    var sum = pass(to: places.map(\.depth).max() ?? 0)
    for place in places {
      sum.flops += trained[place.kind].flops
      sum.bytes += trained[place.kind].bytes
    }
    if let share = scheme["head"] {
      sum.flops += Int(share * Double(head.flops))
      sum.bytes += Int(share * Double(head.bytes))
    }
    return SchemeCost(
      flops: sum.flops, bytes: sum.bytes, flopsShare: Double(sum.flops) / Double(fullFlops))
  }

  func costs(headShares: [Double] = []) -> SchemeCosts {
    let configuration = TinyModel.configuration(layers: layers, tiedHead: false)
    return SchemeCosts(SchemeSpace(configuration, headShares: headShares)) {
      scheme throws(TrainingError) in cost(scheme)
    }
  }
}

/// Costs as the compiler has them.
struct CompilerCosts {
  let configuration: ModelConfiguration
  let settings: TrainingSettings
  let full: CompiledStep

  init(
    _ configuration: ModelConfiguration,
    settings: TrainingSettings = TrainingFixture.settings(steps: 1)
  ) throws(TrainingError) {
    self.configuration = configuration
    self.settings = settings
    full = try Self.compile(configuration, FullAdaptation(), settings)
  }

  private static func compile(
    _ configuration: ModelConfiguration, _ adaptation: some Adaptation, _ settings: TrainingSettings
  ) throws(TrainingError) -> CompiledStep {
    try CompiledStep(
      configuration, adaptation: adaptation, optimizer: settings.optimizer,
      clipNorm: settings.clipNorm, shape: settings.shape)
  }

  func cost(_ scheme: [String: Double]) throws(TrainingError) -> SchemeCost {
    let step = try Self.compile(configuration, SparseAdaptation(scheme: scheme), settings)
    return SchemeCost(
      flops: Int(step.flopsPerToken * Double(settings.shape.tokensPerStep)),
      bytes: MemoryForecast(step, threads: 2, runtimeBytes: 0).total,
      flopsShare: step.flopsPerToken / full.flopsPerToken)
  }

  func costs(headShares: [Double] = []) -> SchemeCosts {
    SchemeCosts(SchemeSpace(configuration, headShares: headShares)) {
      scheme throws(TrainingError) in try cost(scheme)
    }
  }
}
