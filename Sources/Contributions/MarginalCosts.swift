import Tensors
import Training

/// Operations and bytes that a tensor adds to a step, or that a whole step takes.
struct MarginalCost: Hashable {
  var flops: Int
  var bytes: Int

  init(_ cost: SchemeCost) { (flops, bytes) = (cost.flops, cost.bytes) }

  private init(flops: Int, bytes: Int) { (self.flops, self.bytes) = (flops, bytes) }

  static func + (one: Self, other: Self) -> Self {
    Self(flops: one.flops + other.flops, bytes: one.bytes + other.bytes)
  }

  static func - (one: Self, other: Self) -> Self {
    Self(flops: one.flops - other.flops, bytes: one.bytes - other.bytes)
  }

  /// The cost interpolated at `place` on the line from `one` at 0 to `other` at `length`.
  static func onLine(from one: Self, to other: Self, at place: Int, of length: Int) -> Self {
    let change = other - one
    return Self(
      flops: one.flops + change.flops * place / length,
      bytes: one.bytes + change.bytes * place / length)
  }

  /// Whether operations are equal and bytes, which depend on the memory plan, agree to 1/256.
  func isCloseTo(_ other: Self) -> Bool {
    flops == other.flops && abs(bytes - other.bytes) <= abs(bytes) / 256
  }
}

/// Costs of schemes as a sum: the cheapest scheme of a cut, plus the cost that each further tensor
/// adds.
///
/// Blocks are equal, so a cost depends on a tensor's kind and the depth of the cut, and is mostly
/// linear in that depth: between two depths the middle one is compiled, and others only if it is
/// not on the line. Sums are estimates (bytes of a plan do not add up exactly), so callers must
/// compile the resulting scheme.
final class MarginalCosts {
  private enum Key: Hashable {
    /// A tensor alone.
    case base(LinearKind)
    /// The cost that a tensor adds above the greatest depth that trains.
    case above(LinearKind)
    /// The cost that a tensor adds at the greatest depth that trains, beside another one there.
    case beside(LinearKind, LinearKind)
    /// The cost that the head adds.
    case head(Double)
  }

  private let costs: SchemeCosts
  /// Costs by the layer of the cut.
  private var tables: [Key: [MarginalCost]] = [:]

  init(_ costs: SchemeCosts) { self.costs = costs }

  /// - Throws: what compiling throws; so do the others.
  func base(_ tensor: LinearTensor) throws(TrainingError) -> MarginalCost {
    try cost(.base(tensor.kind), cut: tensor.layer)
  }

  /// The cost that a tensor adds to a scheme with deepest tensor `anchor`, at its depth or above
  /// it.
  func marginal(
    _ tensor: LinearTensor, over anchor: LinearTensor
  ) throws(TrainingError) -> MarginalCost {
    let isBeside = costs.space.depth(tensor) == costs.space.depth(anchor)
    let key: Key = isBeside ? .beside(tensor.kind, anchor.kind) : .above(tensor.kind)
    return try cost(key, cut: anchor.layer)
  }

  func head(_ share: Double, over anchor: LinearTensor) throws(TrainingError) -> MarginalCost {
    try cost(.head(share), cut: anchor.layer)
  }

  private func cost(_ key: Key, cut layer: Int) throws(TrainingError) -> MarginalCost {
    if let table = tables[key] { return table[layer] }
    let top = costs.space.layers - 1
    // The last block is not on the line: nothing lies between it and the head.
    var table = try (0...top).map { layer throws(TrainingError) in
      layer == top || layer == 0 || layer == top - 1 ? try compiled(key, cut: layer) : nil
    }
    if top > 2 { try fill(&table, key, from: 0, to: top - 1) }
    let complete = table.compactMap { $0 }
    tables[key] = complete
    return complete[layer]
  }

  /// Fills in the costs between two known depths.
  private func fill(
    _ table: inout [MarginalCost?], _ key: Key, from low: Int, to high: Int
  ) throws(TrainingError) {
    guard high - low > 1, let one = table[low], let other = table[high] else { return }
    let middle = (low + high) / 2
    let found = try compiled(key, cut: middle)
    table[middle] = found
    let expected = MarginalCost.onLine(from: one, to: other, at: middle - low, of: high - low)
    guard found.isCloseTo(expected) else {
      try fill(&table, key, from: low, to: middle)
      try fill(&table, key, from: middle, to: high)
      return
    }
    for layer in low + 1..<middle {
      table[layer] = .onLine(from: one, to: found, at: layer - low, of: middle - low)
    }
    for layer in middle + 1..<high {
      table[layer] = .onLine(from: found, to: other, at: layer - middle, of: high - middle)
    }
  }

  private func compiled(_ key: Key, cut layer: Int) throws(TrainingError) -> MarginalCost {
    func difference(
      _ anchor: LinearKind, _ tensor: LinearTensor?, head: Double? = nil
    ) throws(TrainingError) -> MarginalCost {
      let base = UpdateSet([LinearTensor(layer: layer, kind: anchor)])
      var set = tensor.map { base.adding([$0]) } ?? base
      set.head = head
      return MarginalCost(try costs(set)) - MarginalCost(try costs(base))
    }
    switch key {
    case .base(let kind):
      return MarginalCost(try costs(UpdateSet([LinearTensor(layer: layer, kind: kind)])))
    case .above(let kind):
      // Half-way up, or in the block itself if none is above it.
      let other = layer == costs.space.layers - 1 ? layer : (layer + costs.space.layers) / 2
      return try difference(.value, LinearTensor(layer: other, kind: kind))
    case .beside(let kind, let anchor):
      return try difference(anchor, LinearTensor(layer: layer, kind: kind))
    case .head(let share):
      return try difference(.value, nil, head: share)
    }
  }
}
