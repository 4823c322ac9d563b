import Graphs
import Programs

extension Graph {
  /// Recomputes cheap activations in the backward pass instead of storing them (Chen et al. 2016,
  /// restricted to operations without matmuls): normalised inputs and gated activations are rebuilt
  /// from values that are stored anyway, so nothing new has to stay alive. So are values behind them,
  /// such as normalised queries that were turned.
  ///
  /// - Parameter others: further nodes whose results are to be recomputed, from `recomputations`.
  package mutating func rematerialise(with others: Set<Int> = []) {
    var readers = readers()
    let producers = producers()
    /// Whether a value is there when the node at a position runs, or comes again from such values.
    func isKept(_ value: ValueID, until first: Int) -> Bool {
      guard case .node = self[value].source, let producer = producers[value.index] else {
        return true
      }
      if readers[value.index].last ?? -1 >= first { return true }
      let node = nodes[producer]
      return node.operation.isCheap && node.results.first == value
        && node.operands.allSatisfy { isKept($0, until: first) }
    }
    // Copies, keyed by the position of the node that needs them first.
    var copies: [Int: [Node]] = [:]
    for node in nodes.reversed() where node.phase == .forward {
      let isChosen = others.contains(node.id)
      guard isChosen || node.operation.isCheap else { continue }
      guard let large = node.results.first else { continue }
      let later = readers[large.index].filter { nodes[$0].phase != .forward }
      guard let first = later.first else { continue }
      let areKeptAnyway = node.operands.allSatisfy { isKept($0, until: first) }
      guard isChosen || areKeptAnyway else { continue }
      let copy = makeNode(node.operation, node.operands, phase: .backward, part: node.part)
      func reading(_ node: Node) -> Node {
        var node = node
        node.operands = node.operands.map { $0 == large ? copy.results[0] : $0 }
        return node
      }
      for reader in later {
        nodes[reader] = reading(nodes[reader])
        copies[reader] = copies[reader]?.map(reading)
      }
      // Nodes come in reverse: what a copy reads goes before it. It counts as read where it stands.
      copies[first, default: []].insert(copy, at: 0)
      for operand in Set(node.operands) where !readers[operand.index].contains(first) {
        readers[operand.index].append(first)
        readers[operand.index].sort()
      }
    }
    nodes = nodes.indices.flatMap { (copies[$0] ?? []) + [nodes[$0]] }
  }
}
