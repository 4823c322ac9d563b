import Programs
import Tensors

extension Graph: CustomStringConvertible {
  /// The graph as text, one node per line: results, operation with attributes, operands, types.
  public var description: String {
    let used = Set(nodes.flatMap(\.operands))
    var lines: [String] = []
    for index in values.indices where used.contains(ValueID(index)) {
      guard let source = describeSource(ValueID(index)) else { continue }
      lines.append("%\(index) = \(source) : \(values[index].type)")
    }
    lines += nodes.map(describe)
    for output in outputs { lines.append("output \(output.name) = \(output.value)") }
    return lines.joined(separator: "\n")
  }

  private func describeSource(_ id: ValueID) -> String? {
    switch self[id].source {
    case .parameter(let parameter):
      "\(parameter.isTrained ? "trained" : parameter.isScored ? "scored" : "frozen") \(parameter.name)"
    case .input(let name): "input \(name)"
    case .constant(let name, _): "constant \(name)"
    case .state(let name, let kind, _): "state \(kind) \(name)"
    case .external(let name): "external \(name)"
    case .node: nil
    }
  }

  private func describe(_ node: Node) -> String {
    let results = node.results.map(\.description).joined(separator: ", ")
    let attributes = node.operation.attributes.map { " \($0.0)=\($0.1)" }.joined()
    let operands = node.operands.enumerated().map { index, id in
      node.mutates.contains(index) ? "&\(id)" : "\(id)"
    }.joined(separator: ", ")
    let types = node.results.map { "\(type(of: $0))" }.joined(separator: ", ")
    let left = results.isEmpty ? "" : "\(results) = "
    let right = types.isEmpty ? "" : " : \(types)"
    return "\(left)\(node.operation.name)\(attributes)(\(operands))\(right)  // \(node.phase)"
      + (node.part == .body ? "" : " \(node.part)")
  }
}
