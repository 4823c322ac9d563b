import Graphs
import Programs
import Tensors

/// Which values share memory, and how long each piece of memory is needed.
struct BufferAssignment {
  /// For every value, the value whose memory it uses: itself, or the value that it overwrites.
  private(set) var root: [ValueID]
  /// For every root that nodes produce, the positions from its first write to its last use.
  private(set) var live: [ValueID: (first: Int, last: Int)] = [:]

  init(_ graph: Graph) {
    root = graph.values.indices.map { ValueID($0) }
    var lastUse = [Int](repeating: -1, count: graph.values.count)
    for (position, node) in graph.nodes.enumerated() {
      for id in node.operands + node.results { lastUse[id.index] = position }
    }
    for output in graph.outputs { lastUse[output.value.index] = graph.nodes.count }
    for (position, node) in graph.nodes.enumerated() {
      shareMemory(of: node, at: position, in: graph, lastUse: &lastUse)
      for result in node.results {
        guard case .node = graph[root[result.index]].source else { continue }
        let id = root[result.index]
        let first = live[id]?.first ?? position
        live[id] = (first, max(lastUse[id.index], position))
      }
    }
  }

  /// Lets results overwrite operands that nothing needs any more.
  private mutating func shareMemory(
    of node: Node, at position: Int, in graph: Graph, lastUse: inout [Int]
  ) {
    var taken = Set<ValueID>()
    for pair in node.operation.inPlacePairs where node.results.indices.contains(pair.result) {
      let result = node.results[pair.result]
      guard root[result.index] == result else { continue }
      let operand = node.operands[pair.operand]
      let place = root[operand.index]
      if node.mutates.contains(pair.operand) {
        root[result.index] = place
        continue
      }
      let others = node.operands.enumerated().filter { $0.offset != pair.operand }
      guard case .node = graph[place].source, lastUse[place.index] == position,
        graph.type(of: place).byteCount == graph.type(of: result).byteCount,
        !others.contains(where: { root[$0.element.index] == place }), taken.insert(place).inserted
      else { continue }
      root[result.index] = place
      lastUse[place.index] = max(lastUse[place.index], lastUse[result.index])
    }
  }
}
