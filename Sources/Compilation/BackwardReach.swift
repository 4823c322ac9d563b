import Graphs
import Operations
import Tensors

extension Graph {
  /// Values that depend on any of some parameters, the parameters included.
  package func values(reachedFrom parameters: Set<ValueID>) -> Set<ValueID> {
    var reached = parameters
    for node in nodes where node.operands.contains(where: reached.contains) {
      reached.formUnion(node.results)
    }
    return reached
  }
}

/// How far back the backward pass runs for each parameter, read from the same graph that
/// `Graph.differentiate` works on, so that choosing what trains agrees with what will be computed.
public struct BackwardReach: Sendable {
  /// Linear maps between a parameter's own node and the loss, on the longest path: 0 for the matrix
  /// of the last one. Holds only parameters of linear maps.
  public private(set) var depths: [String: Int] = [:]
  /// Paths of the gains of all norms that gradients can pass through, in forward order.
  public private(set) var gains: [String] = []
  /// For each parameter, one bit per entry of `gains`: whether its gradient passes through that
  /// norm.
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
    let reached = graph.reachableNorms(norms.map(\.input))
    for node in graph.nodes where node.operation.isLinearMap {
      for (value, parameter) in graph.parameters(of: node) {
        depths[parameter.path] = linears[node.results[0]] ?? 0
        crossed[parameter.path] = reached[value]
      }
    }
  }

  /// Gains of the norms that gradients pass through when these parameters train, lowest first.
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

  /// For each parameter of a linear map, one bit per norm: whether the norm's input depends on it.
  ///
  /// - Parameter inputs: the norms' inputs.
  fileprivate func reachableNorms(_ inputs: [ValueID]) -> [ValueID: [UInt64]] {
    let none = [UInt64](repeating: 0, count: (inputs.count + 63) / 64)
    // Of every value, what is reached from it; of a node's results only until the node is passed.
    var reached: [ValueID: [UInt64]] = [:]
    for (index, input) in inputs.enumerated() {
      reached[input, default: none][index / 64] |= 1 << UInt64(index % 64)
    }
    for node in nodes.reversed() {
      var bits = none
      for result in node.results {
        guard let other = reached.removeValue(forKey: result) else { continue }
        for index in bits.indices { bits[index] |= other[index] }
      }
      for operand in node.operands {
        var own = reached[operand] ?? none
        for index in bits.indices { own[index] |= bits[index] }
        reached[operand] = own
      }
    }
    return reached
  }

  /// For each value, the largest number of linear maps on a path from it to a final result.
  fileprivate func linearDepths() -> [ValueID: Int] {
    var depths: [ValueID: Int] = [:]
    for node in nodes.reversed() {
      let own = node.results.map { depths[$0] ?? 0 }.max() ?? 0
      let depth = own + (node.operation.isLinearMap ? 1 : 0)
      for operand in node.operands { depths[operand] = max(depths[operand] ?? 0, depth) }
    }
    return depths
  }
}
