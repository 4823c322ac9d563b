import Graphs
import Operations
import Programs
import Tensors

extension Graph {
  /// Stores matrices that the backward pass reads again, such as the residual stream between
  /// blocks, in bf16 from their last reader in the forward pass to the first one in the backward
  /// pass.
  package mutating func keepBF16() {
    let readers = readers()
    let producers = producers()
    var after: [Int: [Node]] = [:]
    var before: [Int: [Node]] = [:]
    for index in values.indices {
      let id = ValueID(index)
      guard let producer = producers[index], nodes[producer].phase == .forward,
        type(of: id).elementType == .f32, type(of: id).shape.rank == 2,
        !outputs.contains(where: { $0.value == id }),
        let last = readers[index].last(where: { nodes[$0].phase == .forward }),
        let first = readers[index].first(where: { nodes[$0].phase != .forward }), last < first
      else { continue }
      let rounded = makeNode(ToBF16(), [id], phase: .forward, part: nodes[last].part)
      let widened = makeNode(ToF32(), rounded.results, phase: .backward, part: nodes[first].part)
      for reader in readers[index] where reader >= first {
        nodes[reader].operands = nodes[reader].operands.map { $0 == id ? widened.results[0] : $0 }
      }
      after[last, default: []].append(rounded)
      before[first, default: []].append(widened)
    }
    nodes = nodes.indices.flatMap { (before[$0] ?? []) + [nodes[$0]] + (after[$0] ?? []) }
  }
}
