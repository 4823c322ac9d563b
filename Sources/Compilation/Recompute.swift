import Graphs
import Operations

/// An activation that the forward pass stores for the backward pass and that could be recomputed.
package struct Recomputation: Sendable {
  /// The nodes to run again, by id: the value's own, and those of operands that are no longer live.
  package var nodes: Set<Int>
  /// Floating-point operations per byte saved.
  package var flopsPerByte: Double
}

extension Graph {
  /// Activations that can be recomputed with matmuls, fewest operations per byte first (compare
  /// Chen et al. 2016): outputs of linear maps and of attention. Norms and elementwise activations
  /// are left out: `rematerialise` recomputes them anyway.
  package func recomputations() -> [Recomputation] {
    let (readers, producers) = (readers(), producers())
    let positions = Dictionary(
      uniqueKeysWithValues: nodes.enumerated().map { ($0.element.id, $0.offset) })
    var found: [Recomputation] = []
    for node in nodes where node.phase == .forward {
      guard let value = node.results.first,
        let first = readers[value.index].first(where: { nodes[$0].phase != .forward })
      else { continue }
      var chain = Set<Int>()
      guard collect(node, before: first, readers, producers, into: &chain) else { continue }
      let copied = chain.compactMap { positions[$0].map { nodes[$0] } }
      guard copied.contains(where: { !$0.operation.isCheap }) else { continue }
      let flops = copied.reduce(0) {
        $0 + $1.operation.flops($1.operands.map { type(of: $0) })
      }
      found.append(
        Recomputation(
          nodes: chain, flopsPerByte: Double(flops) / Double(max(1, type(of: value).byteCount))))
    }
    return found.enumerated().sorted {
      ($0.element.flopsPerByte, $0.offset) < ($1.element.flopsPerByte, $1.offset)
    }.map(\.element)
  }

  /// Adds a node and the nodes needed to recompute its missing operands at a position; false if
  /// that takes more than cheap operations and matmuls of stored values.
  private func collect(
    _ node: Node, before first: Int, _ readers: [[Int]], _ producers: [Int?],
    into chain: inout Set<Int>
  ) -> Bool {
    guard node.phase == .forward, node.operation.isRecomputable else { return false }
    chain.insert(node.id)
    return node.operands.allSatisfy { operand in
      guard case .node = self[operand].source, let producer = producers[operand.index],
        readers[operand.index].last ?? -1 < first
      else { return true }
      return collect(nodes[producer], before: first, readers, producers, into: &chain)
    }
  }
}
