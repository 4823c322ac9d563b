import Adaptations
import Models
import Tensors
import Training

/// The held-out gain of training one tensor.
public struct Contribution: Hashable, Sendable {
  public var path: String
  /// Held-out nats gained on top of a trained last block; for a tensor of that block, the loss of
  /// gain without it. Nil where neither it nor its kind was probed.
  public var gain: Double?
  /// Held-out nats gained by training it alone; nil where not probed.
  public var gainAlone: Double?
  /// Whether this tensor was probed; if not, its gain is interpolated from its kind's.
  public var isMeasured: Bool
}

/// Gains of single tensors, measured by paired probes: the same base, batches and order.
public struct ContributionTable: Sendable {
  public internal(set) var contributions: [Contribution] = []
  /// Held-out loss of the base model, and with the last block trained; nil where not measured.
  public internal(set) var baseLoss: Double?
  public internal(set) var lastBlockLoss: Double?
  /// Standard deviation of a paired gain over orders of the batches, in nats; 0 where not measured.
  public internal(set) var noise = 0.0

  /// A gain's weight in the search: 0 if it is under twice the noise.
  public func score(_ contribution: Contribution) -> Double {
    guard let gain = contribution.gain, gain >= 2 * noise else { return 0 }
    return max(0, gain)
  }

  /// Scores by path.
  public var scores: [String: Double] {
    Dictionary(contributions.map { ($0.path, score($0)) }, uniquingKeysWith: { first, _ in first })
  }
}

/// Probes each kind of tensor first, in the block below the last one, and other depths only as far
/// as the plan's price allows.
package struct ContributionProbes {
  let configuration: ModelConfiguration
  let plan: AnalysisPlan
  /// The share of the head's rows that may train; nil where the head is not offered.
  let headShare: Double?
  /// Whether training a scheme fits the run's memory; schemes that do not fit are not probed.
  let fits: (_ scheme: [String: Double]) throws(TrainingError) -> Bool
  /// Trains a scheme for the plan's steps in the run's order of batches (0) or in another one;
  /// returns its held-out loss.
  let train: (_ scheme: [String: Double], _ order: UInt64) throws(TrainingError) -> Double

  package init(
    configuration: ModelConfiguration, plan: AnalysisPlan, headShare: Double?,
    fits: @escaping (_ scheme: [String: Double]) throws(TrainingError) -> Bool = { _ in true },
    train: @escaping (_ scheme: [String: Double], _ order: UInt64) throws(TrainingError) -> Double
  ) {
    self.configuration = configuration
    self.plan = plan
    self.headShare = headShare
    self.fits = fits
    self.train = train
  }

  /// The base of the probes: the last block whole, with its gains and the final norm.
  private var base: [String: Double] {
    let last = configuration.parameters.map(\.path).filter { path in
      path.layer == configuration.layers - 1 || path == ParameterPath(.norm)
    }
    return Dictionary(uniqueKeysWithValues: last.map { ($0.description, 1) })
  }

  package func measure(baseLoss: Double) throws(TrainingError) -> ContributionTable {
    var table = ContributionTable()
    table.baseLoss = baseLoss
    guard plan.coverage > .none, configuration.layers > 1, try fits(base) else { return table }
    let lastBlockLoss = try train(base, 0)
    table.lastBlockLoss = lastBlockLoss
    var gains: [String: Double] = [:]
    func probe(_ path: String, share: Double = 1) throws(TrainingError) {
      var scheme = base
      if scheme[path] != nil {
        scheme[path] = nil
        gains[path] = try train(scheme, 0) - lastBlockLoss
      } else {
        scheme[path] = share
        guard try fits(scheme) else { return }
        gains[path] = lastBlockLoss - (try train(scheme, 0))
      }
    }
    let upper = configuration.layers - 2
    for kind in LinearKind.allCases { try probe(kind.path(layer: upper)) }
    if let headShare { try probe(SchemeSpace.head, share: headShare) }
    let representative = LinearKind.down.path(layer: upper)
    if let gain = gains[representative] {
      table.noise = try noise(of: representative, first: gain)
    }
    for path in pathsOverDepth(after: gains, upper: upper) { try probe(path) }
    table.contributions = contributions(gains, blockGain: baseLoss - lastBlockLoss)
    if plan.coverage >= .depths { try measureAlone(in: upper, baseLoss, &table) }
    return table
  }

  /// Trains each kind of one block by itself. That gain is larger than on top of the base, since
  /// other tensors could bring most of it as well.
  private func measureAlone(
    in layer: Int, _ baseLoss: Double, _ table: inout ContributionTable
  ) throws(TrainingError) {
    for index in table.contributions.indices {
      let path = table.contributions[index].path
      guard ParameterPath(path)?.layer == layer, try fits([path: 1]) else { continue }
      table.contributions[index].gainAlone = baseLoss - (try train([path: 1], 0))
    }
  }

  /// The standard deviation of one tensor's paired gain over orders of the batches.
  private func noise(of path: String, first: Double) throws(TrainingError) -> Double {
    var gains = [first]
    for order in 1...UInt64(AnalysisPlan.extraOrders) {
      let without = try train(base, order)
      gains.append(without - (try train(base.merging([path: 1]) { $1 }, order)))
    }
    let mean = gains.reduce(0, +) / Double(gains.count)
    let squares = gains.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(gains.count - 1)).squareRoot()
  }

  /// The paths to probe beyond the kinds of the first probed block.
  private func pathsOverDepth(after gains: [String: Double], upper: Int) -> [String] {
    switch plan.coverage {
    case .none, .kinds: return []
    case .depths:
      let best = LinearKind.allCases.sorted {
        (gains[$0.path(layer: upper)] ?? 0) > (gains[$1.path(layer: upper)] ?? 0)
      }.prefix(AnalysisPlan.kindsOverDepth)
      let layers = Set([0, upper / 2]).subtracting([upper]).sorted(by: >)
      return layers.flatMap { layer in best.map { $0.path(layer: layer) } }
    case .all:
      let layers = (0..<configuration.layers).reversed().filter { $0 != upper }
      return layers.flatMap { layer in LinearKind.allCases.map { $0.path(layer: layer) } }
    }
  }

  /// Every linear map's gain: measured, or interpolated from its kind's at the nearest measured
  /// blocks. Tensors of the last block that were not probed one by one share the block's gain by
  /// size.
  private func contributions(
    _ gains: [String: Double], blockGain: Double
  ) -> [Contribution] {
    let last = configuration.layers - 1
    let matrices = configuration.parameters.filter(\.isMatrix)
    let block = matrices.filter { $0.path.layer == last }
    let blockSize = Double(block.reduce(0) { $0 + $1.shape.count })
    var result = matrices.compactMap { parameter -> Contribution? in
      guard let layer = parameter.path.layer else { return nil }
      if let gain = gains[parameter.name] {
        return Contribution(path: parameter.name, gain: gain, isMeasured: true)
      }
      let gain =
        layer == last
        ? blockGain * Double(parameter.shape.count) / blockSize
        : interpolated(parameter.path, gains)
      return Contribution(path: parameter.name, gain: gain, isMeasured: false)
    }
    if let gain = gains[SchemeSpace.head] {
      result.append(Contribution(path: SchemeSpace.head, gain: gain, isMeasured: true))
    }
    return result
  }

  /// Linear between the nearest measured blocks of the same kind, constant beyond them.
  private func interpolated(_ path: ParameterPath, _ gains: [String: Double]) -> Double? {
    guard let own = path.layer else { return nil }
    let known = (0..<configuration.layers - 1).compactMap { layer in
      gains[ParameterPath(layer: layer, path.role).description].map { (layer: layer, gain: $0) }
    }
    let below = known.last { $0.layer <= own }
    let above = known.first { $0.layer >= own }
    guard let below, let above else { return (below ?? above)?.gain }
    guard above.layer > below.layer else { return below.gain }
    let share = Double(own - below.layer) / Double(above.layer - below.layer)
    return below.gain + share * (above.gain - below.gain)
  }
}
