import Graphs
import Operations
import Programs
import Tensors

/// Two low-rank factors beside a linear map: y = x·Wᵀ + scale · (x·Aᵀ)·Bᵀ, A [rank, in], B [out, rank].
struct LowRankBranch {
  var a: Parameter
  var b: Parameter
  var rank: Int
  var scale: Float
  /// The type in which the factors are stored.
  var elementType = ElementType.f32

  /// The linear map and the branch beside it. Their sum takes the map's result under the same value, so
  /// that its consumers need no change.
  fileprivate func nodes(beside linear: Node, in graph: inout Graph) -> [Node] {
    let weight = graph.type(of: linear.operands[1]).shape
    let a = graph.addSource(.parameter(a), TensorType([rank, weight[1]], elementType))
    let b = graph.addSource(.parameter(b), TensorType([weight[0], rank], elementType))
    let frozen = graph.makeNode(linear.operation, linear.operands, phase: .forward)
    let down = graph.makeNode(Linear(), [linear.operands[0], a], phase: .forward)
    let up = graph.makeNode(Linear(scale: scale), [down.results[0], b], phase: .forward)
    var sum = graph.makeNode(Add(), [frozen.results[0], up.results[0]], phase: .forward)
    graph[linear.results[0]].source = .node(sum.id, result: 0)
    sum.results = linear.results
    return [frozen, down, up, sum]
  }
}

/// Puts branches beside linear maps of a graph, all of them in one pass over its nodes.
struct BranchInsertion {
  private struct Key: Hashable {
    let path: String
    let input: ValueID
  }

  /// Positions of the linear maps with a matrix of the model.
  private var positions: [Key: Int] = [:]
  /// What takes the place of the node at a position: the linear map first.
  private var replacements: [Int: [Node]] = [:]

  init(_ graph: Graph) {
    for (position, node) in graph.nodes.enumerated() where node.operation.isLinearMap {
      guard case .parameter(let weight) = graph[node.operands[1]].source else { continue }
      let key = Key(path: weight.path, input: node.operands[0])
      if positions[key] == nil { positions[key] = position }
    }
  }

  /// The shape of a module's matrix; nil for modules that are no linear maps.
  func matrix(of module: TracedModule, in graph: Graph) -> Shape? {
    position(of: module).map { graph.type(of: graph.nodes[$0].operands[1]).shape }
  }

  private func position(of module: TracedModule) -> Int? {
    positions[Key(path: module.path, input: module.input)]
  }

  /// Adds a branch beside a module, which must be a linear map.
  mutating func insert(_ branch: LowRankBranch, beside module: TracedModule, in graph: inout Graph)
  {
    guard let position = position(of: module) else {
      preconditionFailure("\(module.path) is no linear map")
    }
    var nodes = replacements[position] ?? [graph.nodes[position]]
    nodes.replaceSubrange(0...0, with: branch.nodes(beside: nodes[0], in: &graph))
    replacements[position] = nodes
  }

  /// Gives the graph all branches.
  func finish(_ graph: inout Graph) {
    graph.nodes = graph.nodes.indices.flatMap { replacements[$0] ?? [graph.nodes[$0]] }
  }
}
