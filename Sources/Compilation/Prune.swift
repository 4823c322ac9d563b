import Graphs
import Programs

extension Graph {
  /// Removes every node that leads neither to an output nor to an update.
  package mutating func prune() {
    var needed = Set(outputs.map(\.value))
    var kept: [Node] = []
    for node in nodes.reversed() {
      guard !node.mutates.isEmpty || node.results.contains(where: needed.contains) else { continue }
      needed.formUnion(node.operands)
      kept.append(node)
    }
    nodes = kept.reversed()
  }
}
