import Tensors
import Training

/// Constructs the update schemes between which probes decide: rules, controls and, if contributions
/// were measured, the proposals of the search.
///
/// Every candidate fits the budget, and no further tensor of its own rule would fit.
public struct Candidates {
  private let costs: SchemeCosts
  private let seed: UInt64

  /// - Parameters:
  ///   - costs: costs of the model's schemes; shared, so that nothing is compiled twice.
  ///   - seed: seed of the random draws.
  public init(_ costs: SchemeCosts, seed: UInt64) {
    self.costs = costs
    self.seed = seed
  }

  /// The usual number of sets drawn at random.
  public static let usualDraws = 3

  private var space: SchemeSpace { costs.space }

  /// All candidates without duplicates: the first of equal schemes stays.
  ///
  /// - Parameters:
  ///   - gains: contributions by item, ≥ 0, in any unit (nats); nil if none were measured.
  ///   - firstOrder: first-order gains by item, in any unit; nil if none are known.
  ///   - rivals: other methods that take part, within the budget.
  ///   - parameters: the model's number of parameters, on which the order depends.
  ///   - randomDraws: the number of random sets.
  /// - Throws: `TrainingError.budget` with the smallest sufficient figures if nothing fits.
  public func all(
    within budget: SchemeBudget, gains: [SchemeItem: Double]? = nil,
    firstOrder: [SchemeItem: Double]? = nil, rivals: [Candidate] = [], parameters: Int = 0,
    randomDraws: Int = usualDraws
  ) throws(TrainingError) -> [Candidate] {
    var found: [Candidate?] = [try lastBlocks(budget)]
    for share in space.headShares.sorted(by: >) {
      found.append(try lastBlocks(budget, head: share))
    }
    found += [try mlpFirst(budget), try attentionAndUp(budget), try spread(budget)]
    if let gains { found += try contributions(budget, gains) }
    if let firstOrder { found.append(try byFirstOrder(budget, firstOrder)) }
    for draw in 0..<randomDraws { found.append(try random(budget, draw: draw)) }
    var known = Set<[String: Double]>()
    let distinct = found.compactMap { $0 }.filter { known.insert($0.scheme).inserted }
    guard !distinct.isEmpty || !rivals.isEmpty else {
      throw try costs.leastBudget(budget, headShares: space.headShares)
    }
    return Self.ordered(
      distinct.map { predicted($0, gains) }, rivals, parameters: parameters)
  }

  /// The order in which candidates are probed, where the price does not allow all: what has done
  /// best so far on models of that size comes first.
  private static func ordered(
    _ schemes: [Candidate], _ rivals: [Candidate], parameters: Int
  ) -> [Candidate] {
    let leading = leadingKinds(parameters: parameters)
    let all = rivals + schemes
    return leading.flatMap { kind in all.filter { $0.kind == kind } }
      + all.filter { !leading.contains($0.kind) }
  }

  /// The kinds of candidates that are probed first.
  static func leadingKinds(parameters: Int) -> [Candidate.Kind] {
    parameters < pretrainedParameters
      ? [.lastBlocks, .lastBlocksWithHead, .method]
      : [.method, .firstOrder, .spread, .lastBlocks]
  }

  /// The candidate that is trained without probes. In a small model it is the last blocks with the
  /// whole head, which probes mostly choose there; in a pretrained one, whose head only gets worse,
  /// the first of the other methods, or the last blocks (docs/selection.md).
  ///
  /// - Parameter parameters: the model's number of parameters.
  public static func unprobed(_ candidates: [Candidate], parameters: Int) -> Candidate {
    let simplest: [Candidate.Kind] =
      parameters < pretrainedParameters
      ? [.lastBlocksWithHead, .lastBlocks] : [.method, .lastBlocks]
    let found = simplest.lazy.compactMap { kind in
      candidates.first { $0.kind == kind && ($0.scheme[SchemeSpace.head] ?? 1) == 1 }
    }
    return found.first ?? candidates[0]
  }

  /// Measured on both sides: the head is worth it in models of 0.3 to 5.5 million parameters, and not
  /// in one of 135.
  private static let pretrainedParameters = 50_000_000

  /// The control of a kind: whole blocks from the top, or the first random draw.
  ///
  /// - Throws: `TrainingError.budget` with the smallest sufficient figures if nothing fits.
  public func control(
    _ kind: Control, within budget: SchemeBudget
  ) throws(TrainingError) -> Candidate {
    let found =
      switch kind {
      case .lastBlocks: try lastBlocks(budget)
      case .random: try random(budget, draw: 0)
      }
    guard let found else { throw try costs.leastBudget(budget) }
    return found
  }

  /// Control schemes, which need no probe.
  public enum Control: Hashable, Sendable, CaseIterable {
    case lastBlocks, random
  }
}

extension Candidates {
  private static let spreadKinds: [LinearKind] = [.down, .output, .value]
  private static let attentionAndUpKinds: [LinearKind] = [.up, .output, .value, .query, .key]

  private func candidate(
    _ kind: Candidate.Kind, _ set: UpdateSet, _ label: String
  ) throws(TrainingError) -> Candidate? {
    guard !set.isEmpty else { return nil }
    return Candidate(
      label: label, scheme: space.scheme(set), cost: try costs(set), kind: kind)
  }

  /// The candidate with its predicted gain, the sum of its items' gains.
  private func predicted(_ candidate: Candidate, _ gains: [SchemeItem: Double]?) -> Candidate {
    guard let gains else { return candidate }
    var candidate = candidate
    candidate.predictedGain = space.items.reduce(0) { sum, item in
      candidate.scheme[item.path] == item.share ? sum + max(0, gains[item] ?? 0) : sum
    }
    return candidate
  }

  private func lastBlocks(
    _ budget: SchemeBudget, head: Double? = nil
  ) throws(TrainingError) -> Candidate? {
    guard let (set, text) = try fromTheTop(budget, LinearKind.fillingOrder, head: head) else {
      return nil
    }
    guard let head else { return try candidate(.lastBlocks, set, text) }
    let rows = head < 1 ? " (\(formatted(100 * head, decimals: 0)) % of its rows)" : ""
    let label = set.tensors.isEmpty ? "the head\(rows)" : "the head\(rows) and \(text)"
    return try candidate(.lastBlocksWithHead, set, label)
  }

  private func attentionAndUp(_ budget: SchemeBudget) throws(TrainingError) -> Candidate? {
    guard let (set, text) = try fromTheTop(budget, Self.attentionAndUpKinds, head: nil) else {
      return nil
    }
    return try candidate(.attentionAndUp, set, "attention and up of \(text)")
  }

  /// As many of the last blocks as fit, with the given kinds of each; then those kinds of the next
  /// block that still fit. Nil if the head alone does not fit.
  private func fromTheTop(
    _ budget: SchemeBudget, _ kinds: [LinearKind], head: Double?
  ) throws(TrainingError) -> (set: UpdateSet, text: String)? {
    let fill = BudgetFill(costs: costs, budget: budget)
    func last(_ count: Int) -> UpdateSet { UpdateSet(space.blocks(count, kinds), head: head) }
    guard let count = try fill.largest(space.layers, last) else { return nil }
    let blocks = "the last \(count) of \(space.layers) blocks"
    guard count < space.layers else { return (last(count), blocks) }
    let next = kinds.map { LinearTensor(layer: space.layers - 1 - count, kind: $0) }
    let set = try fill.filled(last(count), with: next)
    let added = next.filter(set.tensors.contains).map(\.kind.rawValue).joined(separator: ", ")
    if added.isEmpty { return (set, blocks) }
    return (set, count == 0 ? "the last block's \(added)" : "\(blocks) and \(added) of the next")
  }

  private func spread(_ budget: SchemeBudget) throws(TrainingError) -> Candidate? {
    guard let (set, text) = try fromTheTop(budget, Self.spreadKinds, head: nil) else { return nil }
    return try candidate(.spread, set, "value, output and down of \(text)")
  }

  private func mlpFirst(_ budget: SchemeBudget) throws(TrainingError) -> Candidate? {
    let fill = BudgetFill(costs: costs, budget: budget)
    func deep(_ count: Int) -> UpdateSet { UpdateSet(space.blocks(count, [.down])) }
    let depth = try fill.largest(space.layers, deep) ?? 0
    let others: [LinearKind] = [.up, .gate, .output, .value, .query, .key]
    let order = others.flatMap { space.blocks(max(depth, 1), [$0]) }
    let set = try fill.filled(deep(depth), with: order)
    let counts = ([.down] + others).compactMap { kind -> String? in
      let count = set.tensors.count { $0.kind == kind }
      return count == 0 ? nil : "\(count) \(kind.rawValue)"
    }
    let label = "MLPs first, from the top: \(counts.joined(separator: ", "))"
    return try candidate(.mlpFirst, set, label)
  }

  private func random(
    _ budget: SchemeBudget, draw: Int
  ) throws(TrainingError) -> Candidate? {
    var random = RandomSource(seed: seed, stream: 0x5343_4845 + UInt64(draw))
    let tensors = space.tensors
    let order = random.permutation(tensors.count).map { tensors[Int($0)] }
    let set = try BudgetFill(costs: costs, budget: budget).filled(
      UpdateSet([LinearTensor]()), with: order)
    let number = draw == 0 ? "" : " (draw \(draw + 1))"
    return try candidate(
      .random, set, "\(set.tensors.count) linear maps drawn at random\(number)")
  }

  /// The search's proposal among linear maps: a head's gradient is large for its size alone.
  private func byFirstOrder(
    _ budget: SchemeBudget, _ gains: [SchemeItem: Double]
  ) throws(TrainingError) -> Candidate? {
    let maps = gains.filter { $0.key.path != SchemeSpace.head }
    guard let set = try SchemeSearch(costs, gains: maps, budget: budget).best()?.set else {
      return nil
    }
    return try candidate(.firstOrder, set, "by first-order gains: \(set.tensors.count) linear maps")
  }

  /// The search's proposals: the best scheme of all, and the best one that trains the head.
  private func contributions(
    _ budget: SchemeBudget, _ gains: [SchemeItem: Double]
  ) throws(TrainingError) -> [Candidate?] {
    let search = SchemeSearch(costs, gains: gains, budget: budget)
    return try [search.best(), search.best(.withHead)].map { proposal throws(TrainingError) in
      guard let proposal else { return nil }
      let head = proposal.set.head == nil ? "" : "the head and "
      let label = "by contributions: \(head)\(proposal.set.tensors.count) linear maps"
      return try candidate(.contributions, proposal.set, label)
    }
  }
}
