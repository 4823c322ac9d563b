import Programs
import Tensors

extension Graph {
  /// Checks the invariants that every compiler stage relies on; runs between stages.
  ///
  /// - Throws: `GraphError.invalid` with the node's name if a value is read before it is produced
  ///   or produced twice, a type rule does not hold, a node overwrites what is read later as if it
  ///   were unchanged, or a part of the step is out of order.
  public func verify() throws(GraphError) {
    var available = values.map { value in
      if case .node = value.source { false } else { true }
    }
    var overwritten = Set<ValueID>()
    var lastPart = 0
    for node in nodes {
      let name = "\(node.id) \(node.operation.name)"
      func fail(_ problem: String) -> GraphError { .invalid(node: name, problem: problem) }
      for operand in node.operands where !available[operand.index] {
        throw fail("reads \(operand) before it is produced")
      }
      for operand in node.operands where overwritten.contains(operand) {
        switch self[operand].source {
        case .parameter: throw fail("reads \(operand) after its update")
        case .node: throw fail("reads \(operand) after it is overwritten")
        default: break
        }
      }
      try verifyTypes(of: node, named: name)
      overwritten.formUnion(try overwrittenValues(of: node, named: name))
      for result in node.results {
        guard case .node(node.id, _) = self[result].source, !available[result.index] else {
          throw fail("produces \(result) twice")
        }
        available[result.index] = true
      }
      let part = StepPart.allCases.firstIndex(of: node.part) ?? 0
      guard part >= lastPart else { throw fail("part \(node.part) comes too late") }
      lastPart = part
    }
    for output in outputs where !available[output.value.index] {
      throw .invalid(node: "output \(output.name)", problem: "is not produced")
    }
    for output in outputs where overwritten.contains(output.value) {
      guard case .node = self[output.value].source else { continue }
      throw .invalid(node: "output \(output.name)", problem: "is overwritten")
    }
  }

  /// Values that a node overwrites and that nothing may read afterwards: trained parameters and, of
  /// an update, its gradient. A node may also overwrite state and inputs.
  private func overwrittenValues(
    of node: Node, named name: String
  ) throws(GraphError) -> [ValueID] {
    var values: [ValueID] = []
    for index in node.mutates {
      guard node.operands.indices.contains(index) else {
        throw .invalid(node: name, problem: "mutates no operand")
      }
      let operand = node.operands[index]
      switch self[operand].source {
      case .parameter(let parameter) where parameter.isTrained: values.append(operand)
      case .node where node.phase == .update: values.append(operand)
      case .state, .external, .input: break
      default:
        throw .invalid(node: name, problem: "overwrites \(operand), which is not state")
      }
    }
    return values
  }

  private func verifyTypes(of node: Node, named name: String) throws(GraphError) {
    let expected: [TensorType]
    do {
      expected = try node.operation.resultTypes(node.operands.map { type(of: $0) })
    } catch {
      throw .invalid(node: name, problem: "\(error)")
    }
    let found = node.results.map { type(of: $0) }
    guard expected == found else {
      throw .invalid(node: name, problem: "results are \(found), the type rule says \(expected)")
    }
  }
}
