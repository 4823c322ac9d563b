import Graphs
import Tensors

extension Graph {
  /// Stores trained matrices in an element type, where every node that reads them accepts it; the
  /// others stay f32.
  package mutating func keepParameters(as type: ElementType) {
    guard type != .f32 else { return }
    for (value, parameter) in parameters where parameter.isTrained {
      let wide = self[value].type
      guard wide.shape.rank == 2 else { continue }
      self[value].type = TensorType(wide.shape, type)
      if !nodes.allSatisfy({ !$0.operands.contains(value) || hasSameResults($0) }) {
        self[value].type = wide
      }
    }
  }

  /// Whether the node's type rule, applied to its operands' current types, gives its result types.
  private func hasSameResults(_ node: Node) -> Bool {
    let types = try? node.operation.resultTypes(node.operands.map { self.type(of: $0) })
    return types == node.results.map { self.type(of: $0) }
  }
}
