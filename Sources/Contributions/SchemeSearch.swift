import Tensors
import Training

/// Searches for the scheme with the largest sum of contributions under a budget: one knapsack for
/// every cut, that is for every tensor that may be the deepest to train (Lin et al. 2022 use
/// evolutionary search; Huang et al. 2023 an exact programme over depth, as here).
///
/// The search assumes that contributions add up, which is wrong for most sets; its proposals are
/// candidates for a probe, not results.
public final class SchemeSearch {
  /// Which schemes the search considers.
  public enum Selection: Hashable, Sendable {
    case any
    /// Only schemes that train the head.
    case withHead
  }

  /// The best scheme found.
  public struct Proposal: Hashable, Sendable {
    public var scheme: [String: Double]
    /// The cost of the compiled step, within the budget.
    public var cost: SchemeCost
    /// Sum of contributions.
    public var gain: Double
    var set: UpdateSet
  }

  private let costs: SchemeCosts
  private let marginals: MarginalCosts
  private let gains: [SchemeItem: Double]
  private let budget: SchemeBudget
  /// Variants for all anchors, made when first needed.
  private var allVariants: [Variant]?

  /// - Parameters:
  ///   - gains: contributions in any unit; items without a gain, or with one below 0, are not
  ///     chosen.
  public init(_ costs: SchemeCosts, gains: [SchemeItem: Double], budget: SchemeBudget) {
    self.costs = costs
    self.gains = gains
    self.budget = budget
    marginals = MarginalCosts(costs)
  }

  /// The best scheme over all cuts, filled up with whatever still fits; nil if nothing fits or has
  /// a gain.
  ///
  /// - Throws: what compiling throws.
  public func best(_ selection: Selection = .any) throws(TrainingError) -> Proposal? {
    guard let best = try best(of: try variants(selection)) else { return nil }
    return try completed(best)
  }
}

extension SchemeSearch {
  /// A knapsack problem: the deepest tensor and the head are fixed, tensors above may be added.
  private struct Variant {
    var anchor: LinearTensor?
    var head: Double?
    /// Gain of anchor and head.
    var gain: Double
    var cost: MarginalCost
    /// From the top down, in the order of the knapsack's items.
    var tensors: [LinearTensor]
    var knapsack: Knapsack
    var bound: Double
  }

  private func contribution(_ tensor: LinearTensor) -> Double {
    max(0, gains[SchemeItem(tensor.path)] ?? 0)
  }

  private func contribution(head share: Double) -> Double {
    max(0, gains[SchemeItem(SchemeSpace.head, share: share)] ?? 0)
  }

  /// The budget's share as a number of operations.
  private func flopsLimit() throws(TrainingError) -> Int? {
    guard let limit = budget.flopsShare else { return nil }
    let top = LinearTensor(layer: costs.space.layers - 1, kind: .down)
    let cost = try costs(UpdateSet([top]))
    let full = (Double(cost.flops) / cost.flopsShare).rounded()
    let flops = Int((limit * full).rounded())
    return Double(flops) / full <= limit ? flops : flops - 1
  }

  /// Knapsack problems whose base fits, for every anchor and for the head alone.
  private func variants(_ selection: Selection) throws(TrainingError) -> [Variant] {
    let all = if let allVariants { allVariants } else { try makeVariants() }
    allVariants = all
    return selection == .any ? all : all.filter { $0.head != nil }
  }

  private func makeVariants() throws(TrainingError) -> [Variant] {
    let flopsLimit = try flopsLimit()
    let anchors = costs.space.tensors.filter { contribution($0) > 0 }
    let shares = costs.space.headShares.filter { contribution(head: $0) > 0 }
    var variants: [Variant] = []
    for anchor in [nil] + anchors.map(Optional.some) {
      for head in [nil] + shares.map(Optional.some) where anchor != nil || head != nil {
        if let variant = try variant(anchor, head, flopsLimit: flopsLimit) {
          variants.append(variant)
        }
      }
    }
    return variants
  }

  private func variant(
    _ anchor: LinearTensor?, _ head: Double?, flopsLimit: Int?
  ) throws(TrainingError) -> Variant? {
    let cost: MarginalCost
    if let anchor {
      let base = try marginals.base(anchor)
      cost = if let head { base + (try marginals.head(head, over: anchor)) } else { base }
    } else {
      cost = MarginalCost(try costs(UpdateSet([LinearTensor](), head: head)))
    }
    let room = (
      flops: flopsLimit.map { $0 - cost.flops }, bytes: budget.bytes.map { $0 - cost.bytes }
    )
    guard room.flops ?? 0 >= 0, room.bytes ?? 0 >= 0 else { return nil }
    let gain = (anchor.map(contribution) ?? 0) + (head.map(contribution(head:)) ?? 0)
    let tensors = anchor.map(itemsAbove) ?? []
    var items: [Knapsack.Item] = []
    for tensor in tensors {
      guard let anchor else { continue }
      let marginal = try marginals.marginal(tensor, over: anchor)
      items.append(
        Knapsack.Item(
          gain: contribution(tensor), flops: max(0, marginal.flops), bytes: max(0, marginal.bytes)))
    }
    let knapsack = Knapsack(items, flopsLimit: room.flops, bytesLimit: room.bytes)
    return Variant(
      anchor: anchor, head: head, gain: gain, cost: cost, tensors: tensors, knapsack: knapsack,
      bound: gain + knapsack.upperBound)
  }

  /// Tensors with a gain at the anchor's depth or above it.
  private func itemsAbove(_ anchor: LinearTensor) -> [LinearTensor] {
    let cut = costs.space.depth(anchor)
    return costs.space.tensors.filter {
      $0 != anchor && costs.space.depth($0) <= cut && contribution($0) > 0
    }
  }

  /// Solves the variants in descending order of their bounds, until none can be better.
  private func best(of variants: [Variant]) throws(TrainingError) -> Proposal? {
    var best: Proposal?
    let order = variants.enumerated().sorted {
      ($1.element.bound, $0.offset) < ($0.element.bound, $1.offset)
    }
    for (_, variant) in order {
      if let best, variant.bound < best.gain * (1 - 1e-12) { break }
      if let better = try solved(variant, better: best) { best = better }
    }
    return best
  }

  /// The best set of a variant whose compiled cost is within the budget; nil if there is none or it
  /// is no better than the best known.
  ///
  /// Where the sum of marginal costs was too low, the limit is lowered by the amount by which the
  /// compiled step exceeded it.
  private func solved(
    _ variant: Variant, better known: Proposal?
  ) throws(TrainingError) -> Proposal? {
    var knapsack = variant.knapsack
    for _ in 0..<16 {
      let solution = knapsack.solve()
      let gain = variant.gain + solution.gain
      let flops = variant.cost.flops + solution.flops
      let bytes = variant.cost.bytes + solution.bytes
      if let known {
        let (least, most) = (known.gain * (1 - 1e-12), known.gain * (1 + 1e-12))
        let isCheaper = isCheaper(flops: flops, bytes: bytes, than: known.cost)
        guard gain > most || (gain >= least && isCheaper) else { return nil }
      }
      let chosen = solution.chosen.map { variant.tensors[$0] }
      let set = UpdateSet(chosen + [variant.anchor].compactMap { $0 }, head: variant.head)
      let cost = try costs(set)
      guard !cost.fits(budget) else {
        return Proposal(scheme: costs.space.scheme(set), cost: cost, gain: gain, set: set)
      }
      if !cost.fitsFlops(budget), let limit = variant.knapsack.flopsLimit {
        let excess = cost.flops - (limit + variant.cost.flops)
        knapsack.flopsLimit = solution.flops - max(1, excess)
      }
      if let limit = budget.bytes, cost.bytes > limit {
        knapsack.bytesLimit = solution.bytes - (cost.bytes - limit)
      }
      guard knapsack.flopsLimit ?? 0 >= 0, knapsack.bytesLimit ?? 0 >= 0 else { return nil }
    }
    return nil
  }

  /// As in a knapsack: of two costs the limited one counts first, with two limits the operations.
  private func isCheaper(flops: Int, bytes: Int, than other: SchemeCost) -> Bool {
    if budget.flopsShare == nil && budget.bytes != nil {
      return (bytes, flops) < (other.bytes, other.flops)
    }
    return (flops, bytes) < (other.flops, other.bytes)
  }

  /// Adds items that still fit: marginal costs may have been too high.
  private func completed(_ proposal: Proposal) throws(TrainingError) -> Proposal {
    let missing = costs.space.tensors.filter {
      contribution($0) > 0 && !proposal.set.tensors.contains($0)
    }
    let order = missing.sorted { (-contribution($0), $0) < (-contribution($1), $1) }
    let fill = BudgetFill(costs: costs, budget: budget)
    var set = try fill.filled(proposal.set, with: order, expectsRoom: false)
    for share in costs.space.headShares.sorted(by: {
      contribution(head: $0) > contribution(head: $1)
    })
    where set.head == nil && contribution(head: share) > 0 {
      let more = UpdateSet(set.tensors, head: share)
      if try fill.fits(more) { set = more }
    }
    guard set != proposal.set else { return proposal }
    let gain = set.tensors.sorted().reduce(set.head.map(contribution(head:)) ?? 0) {
      $0 + contribution($1)
    }
    return Proposal(
      scheme: costs.space.scheme(set), cost: try costs(set), gain: gain, set: set)
  }
}
