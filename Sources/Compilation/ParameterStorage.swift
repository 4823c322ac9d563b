import Graphs
import Tensors

extension Graph {
  /// Keeps trained matrices in a type, those that everything that reads them takes in it; the others
  /// stay f32.
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

  /// Whether a node's operands, as they are now, give the results that it has.
  private func hasSameResults(_ node: Node) -> Bool {
    let types = try? node.operation.resultTypes(node.operands.map { self.type(of: $0) })
    return types == node.results.map { self.type(of: $0) }
  }
}
