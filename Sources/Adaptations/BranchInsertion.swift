import Graphs
import Operations
import Programs
import Tensors

/// What is computed beside a linear map and added to its result.
protocol SideBranch {
  /// The branch's nodes; the last one's result is added to the map's.
  func nodes(beside linear: Node, in graph: inout Graph) -> [Node]
}

/// Puts branches beside linear maps of a graph, all of them in one pass over its nodes.
struct BranchInsertion {
  private struct Key: Hashable {
    let path: String
    let input: ValueID
  }

  /// Positions of the linear maps with a matrix of the model.
  private var positions: [Key: Int] = [:]
  /// What gated activations make, and which function they apply.
  private var activations: [ValueID: Activation] = [:]
  /// What takes the place of the node at a position: the linear map first.
  private var replacements: [Int: [Node]] = [:]

  init(_ graph: Graph) {
    for (position, node) in graph.nodes.enumerated() {
      if let gated = node.operation as? GatedActivation {
        activations[node.results[0]] = gated.activation
      }
      guard node.operation.isLinearMap else { continue }
      guard case .parameter(let weight) = graph[node.operands[1]].source else { continue }
      let key = Key(path: weight.path, input: node.operands[0])
      if positions[key] == nil { positions[key] = position }
    }
  }

  /// The shape of a module's matrix; nil for modules that are no linear maps.
  func matrix(of module: TracedModule, in graph: Graph) -> Shape? {
    position(of: module).map { graph.type(of: graph.nodes[$0].operands[1]).shape }
  }

  /// The gated MLP of a block: its input, its map back to the residual stream, and its activation.
  /// Nil if the block has none.
  func gatedMLP(
    layer: Int, in graph: Graph
  ) -> (input: ValueID, down: TracedModule, activation: Activation)? {
    guard let gate = graph.module(LinearKind.gate.path(layer: layer)),
      let down = graph.module(LinearKind.down.path(layer: layer)),
      let activation = activations[down.input], position(of: down) != nil
    else { return nil }
    return (gate.input, down, activation)
  }

  private func position(of module: TracedModule) -> Int? {
    positions[Key(path: module.path, input: module.input)]
  }

  /// Adds a branch beside a module, which must be a linear map.
  mutating func insert(
    _ branch: some SideBranch, beside module: TracedModule, in graph: inout Graph
  ) {
    guard let position = position(of: module) else {
      preconditionFailure("\(module.path) is no linear map")
    }
    var nodes = replacements[position] ?? [graph.nodes[position]]
    nodes.replaceSubrange(0...0, with: Self.sum(of: nodes[0], branch, in: &graph))
    replacements[position] = nodes
  }

  /// The linear map and the branch beside it. Their sum takes the map's result under the same value, so
  /// that its consumers need no change.
  private static func sum(
    of linear: Node, _ branch: some SideBranch, in graph: inout Graph
  ) -> [Node] {
    let frozen = graph.makeNode(linear.operation, linear.operands, phase: .forward)
    let beside = branch.nodes(beside: linear, in: &graph)
    let added = beside[beside.count - 1].results[0]
    var sum = graph.makeNode(Add(), [frozen.results[0], added], phase: .forward)
    graph[linear.results[0]].source = .node(sum.id, result: 0)
    sum.results = linear.results
    return [frozen] + beside + [sum]
  }

  /// Gives the graph all branches.
  func finish(_ graph: inout Graph) {
    graph.nodes = graph.nodes.indices.flatMap { replacements[$0] ?? [graph.nodes[$0]] }
  }
}
