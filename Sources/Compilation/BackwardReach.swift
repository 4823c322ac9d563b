import Graphs
import Operations
import Tensors

extension Graph {
  /// Values that depend on some parameters, these included.
  package func values(reachedFrom parameters: Set<ValueID>) -> Set<ValueID> {
    var reached = parameters
    for node in nodes where node.operands.contains(where: reached.contains) {
      reached.formUnion(node.results)
    }
    return reached
  }
}

/// How far a backward pass goes for each parameter of a forward pass, as `Graph.differentiate` will
/// take it: what is chosen for training is chosen by this, not by a second idea of the model.
public struct BackwardReach: Sendable {
  /// Linear maps between a parameter's own node and the loss, on the longest way there: 0 for the
  /// last one's matrix. A tensor of no linear map is not there.
  public private(set) var depths: [String: Int] = [:]
  /// Gains of norms that the pass can go through, from the first one on.
  public private(set) var gains: [String] = []
  /// For each parameter, a bit for each of `gains` that gradients pass on their way to it.
  private var crossed: [String: [UInt64]] = [:]

  /// - Parameter graph: a traced forward pass.
  public init(_ graph: Graph) {
    let linears = graph.linearDepths()
    let norms = graph.nodes.compactMap { node -> (input: ValueID, gain: String)? in
      for (value, parameter) in graph.parameters(of: node) where parameter.kind == .gain {
        if let input = node.operands.first(where: { $0 != value }) {
          return (input, parameter.path)
        }
      }
      return nil
    }
    gains = norms.map(\.gain)
    for node in graph.nodes where node.operation is Linear {
      for (value, parameter) in graph.parameters(of: node) {
        depths[parameter.path] = linears[node.results[0]] ?? 0
        let reached = graph.values(reachedFrom: [value])
        var bits = [UInt64](repeating: 0, count: (norms.count + 63) / 64)
        for (index, norm) in norms.enumerated() where reached.contains(norm.input) {
          bits[index / 64] |= 1 << UInt64(index % 64)
        }
        crossed[parameter.path] = bits
      }
    }
  }

  /// Gains of the norms that the pass goes through when some parameters train, lowest first.
  public func gains(crossedBy paths: some Sequence<String>) -> [String] {
    var bits = [UInt64](repeating: 0, count: (gains.count + 63) / 64)
    for path in paths {
      for (index, word) in (crossed[path] ?? []).enumerated() { bits[index] |= word }
    }
    return gains.enumerated().filter { index, _ in
      bits[index / 64] & (1 << UInt64(index % 64)) != 0
    }.map(\.element)
  }
}

extension Graph {
  fileprivate func parameters(of node: Node) -> [(value: ValueID, parameter: Parameter)] {
    node.operands.compactMap { value in
      guard case .parameter(let parameter) = self[value].source else { return nil }
      return (value, parameter)
    }
  }

  /// For each value, the most linear maps between it and what nothing reads any more.
  fileprivate func linearDepths() -> [ValueID: Int] {
    var depths: [ValueID: Int] = [:]
    for node in nodes.reversed() {
      let own = node.results.map { depths[$0] ?? 0 }.max() ?? 0
      let depth = own + (node.operation is Linear ? 1 : 0)
      for operand in node.operands { depths[operand] = max(depths[operand] ?? 0, depth) }
    }
    return depths
  }
}
