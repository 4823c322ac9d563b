import Graphs
import Operations
import Programs
import Tensors

extension Graph {
  /// Reverse-mode differentiation towards the trained parameters only (sparse back-propagation).
  ///
  /// Backward nodes are appended in reverse order of the forward pass. A value that no trained
  /// parameter leads to gets no gradient, so nothing is emitted below the deepest of them.
  ///
  /// - Parameters:
  ///   - loss: the per-token loss.
  ///   - cotangent: a number that every token's loss is weighted with.
  /// - Returns: the gradient of every trained parameter that the loss depends on.
  package mutating func differentiate(
    _ loss: ValueID, cotangent: ValueID
  ) throws(GraphError) -> [ValueID: ValueID] {
    let reached = valuesReachedFromTrainedParameters()
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
    for (value, parameter) in parameters where parameter.isTrained {
      result[value] = gradients[value]
    }
    return result
  }

  /// Values that depend on a trained parameter, the parameters included.
  private func valuesReachedFromTrainedParameters() -> Set<ValueID> {
    var reached = Set(parameters.filter(\.parameter.isTrained).map(\.value))
    for node in nodes where node.operands.contains(where: reached.contains) {
      reached.formUnion(node.results)
    }
    return reached
  }
}
