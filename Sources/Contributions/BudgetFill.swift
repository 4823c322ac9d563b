import Tensors
import Training

/// Fills a budget with tensors in a given order.
struct BudgetFill {
  let costs: SchemeCosts
  let budget: SchemeBudget

  private typealias Refusal = (tensor: LinearTensor, isAboveCut: Bool)

  /// Tensors that did not fit. A set that grows never takes less time, so they stay out.
  private struct Refusals {
    /// Tensors refused for their operations.
    var late: [Refusal] = []
    /// Tensors refused for their bytes alone.
    var large: [Refusal] = []
  }

  func fits(_ set: UpdateSet) throws(TrainingError) -> Bool {
    if set.isEmpty { return true }
    return try costs(set).fits(budget)
  }

  /// The largest count in 0...limit whose set fits, by bisection; nil if not even 0 fits.
  ///
  /// - Parameter set: the set for a count; it grows with the count.
  func largest(_ limit: Int, _ set: (Int) -> UpdateSet) throws(TrainingError) -> Int? {
    guard try fits(set(0)) else { return nil }
    return try largest(from: 0, to: limit + 1, set)
  }

  /// - Parameters:
  ///   - low: a count whose set fits.
  ///   - high: a count whose set does not fit or does not exist.
  private func largest(
    from low: Int, to high: Int, _ set: (Int) -> UpdateSet
  ) throws(TrainingError) -> Int {
    var (low, high) = (low, high)
    while high - low > 1 {
      let middle = (low + high) / 2
      if try fits(set(middle)) { low = middle } else { high = middle }
    }
    return low
  }

  /// Adds tensors in order, skipping those that do not fit.
  ///
  /// Equal tensors of blocks above the cut cost the same operations, lower ones never fewer, so one
  /// refusal decides for many. Peak memory depends a little on a tensor's block, so after a refusal
  /// for bytes the uppermost, middle and deepest missing tensors of a kind are tried again at the
  /// end.
  ///
  /// - Parameter expectsRoom: try to add all tensors at once first.
  /// - Throws: what compiling throws.
  func filled(
    _ start: UpdateSet, with order: [LinearTensor], expectsRoom: Bool = true
  ) throws(TrainingError) -> UpdateSet {
    var set = start
    var refusals = Refusals()
    var pending = order.filter { !start.tensors.contains($0) }
    var stride = expectsRoom ? pending.count : 1
    while !pending.isEmpty {
      let count = try longestPrefix(of: pending, for: set, stride: stride)
      set = set.adding(pending.prefix(count))
      guard count < pending.count else { break }
      try refuse(pending[count], from: set, &refusals)
      pending = pending.dropFirst(count + 1).filter {
        !isAnswered($0, set, refusals.late) && !isAnswered($0, set, refusals.large)
      }
      // Tensors after a refused one are mostly refused as well.
      stride = 1
    }
    return try completed(set, with: order, refusals)
  }

  /// The number of leading tensors that can be added: tries `stride`, doubles it while they fit,
  /// then bisects.
  private func longestPrefix(
    of pending: [LinearTensor], for set: UpdateSet, stride: Int
  ) throws(TrainingError) -> Int {
    func grown(_ count: Int) -> UpdateSet { set.adding(pending.prefix(count)) }
    var (low, high) = (0, min(stride, pending.count))
    while try fits(grown(high)) {
      if high == pending.count { return high }
      (low, high) = (high, min(2 * high, pending.count))
    }
    return try largest(from: low, to: high, grown)
  }

  private func refuse(
    _ tensor: LinearTensor, from set: UpdateSet, _ refusals: inout Refusals
  ) throws(TrainingError) {
    let cost = try costs(set.adding([tensor]))
    if cost.fitsFlops(budget) {
      refusals.large.append((tensor, isAboveCut(tensor, set)))
    } else {
      refusals.late.append((tensor, isAboveCut(tensor, set)))
    }
  }

  private func isAboveCut(_ tensor: LinearTensor, _ set: UpdateSet) -> Bool {
    costs.space.depth(tensor) < costs.space.cut(set) ?? 0
  }

  /// Whether an earlier refusal decides for this tensor too: it was of the same kind and not below
  /// it, or both are above the greatest depth that trains.
  private func isAnswered(
    _ tensor: LinearTensor, _ set: UpdateSet, _ refusals: [Refusal]
  ) -> Bool {
    refusals.contains { refused in
      refused.tensor.kind == tensor.kind
        && (refused.tensor.layer >= tensor.layer
          || (refused.isAboveCut && isAboveCut(tensor, set)))
    }
  }

  private func completed(
    _ start: UpdateSet, with order: [LinearTensor], _ refusals: Refusals
  ) throws(TrainingError) -> UpdateSet {
    var set = start
    var isGrowing = !refusals.large.isEmpty
    while isGrowing {
      isGrowing = false
      for kind in LinearKind.fillingOrder {
        let missing = order.filter {
          $0.kind == kind && !set.tensors.contains($0) && !isAnswered($0, set, refusals.late)
        }.sorted()
        guard let first = missing.first, let last = missing.last else { continue }
        for tensor in [first, missing[missing.count / 2], last] {
          guard !set.tensors.contains(tensor), try fits(set.adding([tensor])) else { continue }
          set = set.adding([tensor])
          isGrowing = true
        }
      }
    }
    return set
  }
}
