import Graphs
import Operations
import Programs
import Tensors

extension Graph {
  /// Reverse-mode differentiation for the trained (or scored) parameters only: sparse
  /// back-propagation.
  ///
  /// Backward nodes are appended in reverse order of the forward pass. A value that depends on none
  /// of these parameters gets no gradient, so nothing is emitted below the deepest of them.
  ///
  /// - Parameters:
  ///   - loss: the per-token loss.
  ///   - cotangent: a number by which every token's loss is weighted.
  /// - Returns: the gradient of each of these parameters that the loss depends on.
  package mutating func differentiate(
    _ loss: ValueID, cotangent: ValueID
  ) throws(GraphError) -> [ValueID: ValueID] {
    let reached = values(
      reachedFrom: Set(parameters.filter(\.parameter.wantsGradient).map(\.value)))
    var gradients: [ValueID: ValueID] = reached.contains(loss) ? [loss: cotangent] : [:]
    for node in nodes.reversed() {
      let resultGradients = node.results.map { gradients[$0] }
      let wanted = node.operands.map { reached.contains($0) }
      guard resultGradients.contains(where: { $0 != nil }), wanted.contains(true) else { continue }
      guard let operation = node.operation as? any DifferentiableOperation else {
        throw .invalid(node: "\(node.id) \(node.operation.name)", problem: "has no pullback")
      }
      let contributions = operation.pullback(
        of: node, gradients: resultGradients, wanted: wanted, in: &self)
      for (operand, contribution) in zip(node.operands, contributions) {
        guard let contribution else { continue }
        if let known = gradients[operand] {
          gradients[operand] = add(Add(), [known, contribution], phase: .backward)[0]
        } else {
          gradients[operand] = contribution
        }
      }
    }
    var result: [ValueID: ValueID] = [:]
    for (value, parameter) in parameters where parameter.wantsGradient {
      result[value] = gradients[value]
    }
    return result
  }
}
