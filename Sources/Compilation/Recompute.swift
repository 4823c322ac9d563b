import Graphs
import Operations

/// A value that the forward pass keeps for the backward pass and that products could give again.
package struct Recomputation: Sendable {
  /// The nodes that it takes, by id: the value's own, and what its operands come from if they are
  /// not there any more.
  package var nodes: Set<Int>
  /// Arithmetic for each byte that is not kept.
  package var flopsPerByte: Double
}

extension Graph {
  /// What can be computed again by products, the cheapest for its bytes first (compare Chen et al.
  /// 2016): outputs of linear maps and of attention, where norms and activations, which
  /// `rematerialise` does anyway, don't need to be told.
  package func recomputations() -> [Recomputation] {
    let (readers, producers) = (readers(), producers())
    var found: [Recomputation] = []
    for node in nodes where node.phase == .forward {
      guard let value = node.results.first,
        let first = readers[value.index].first(where: { nodes[$0].phase != .forward })
      else { continue }
      var chain = Set<Int>()
      guard collect(node, before: first, readers, producers, into: &chain),
        nodes.contains(where: { chain.contains($0.id) && !$0.operation.isCheap })
      else { continue }
      let flops = nodes.filter { chain.contains($0.id) }.reduce(0) {
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

  /// Adds a node and what it takes to have its operands at a position; false if that is more than
  /// products of kept values.
  private func collect(
    _ node: Node, before first: Int, _ readers: [[Int]], _ producers: [Int?],
    into chain: inout Set<Int>
  ) -> Bool {
    guard node.phase == .forward, node.operation.isCheap || node.operation.isProductOfValues else {
      return false
    }
    chain.insert(node.id)
    return node.operands.allSatisfy { operand in
      guard case .node = self[operand].source, let producer = producers[operand.index],
        readers[operand.index].last ?? -1 < first
      else { return true }
      return collect(nodes[producer], before: first, readers, producers, into: &chain)
    }
  }
}

extension Operation {
  /// Whether it makes a new value of its operands, and adds to none.
  fileprivate var isProductOfValues: Bool {
    if let linear = self as? Linear { return !linear.accumulates }
    return self is Attention
  }
}
