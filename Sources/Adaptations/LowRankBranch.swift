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

  /// Inserts the branch beside the linear map at a position of the graph's nodes. The sum replaces
  /// the map's result under the same value, so that its consumers need no change.
  func insert(behind position: Int, in graph: inout Graph) {
    let linear = graph.nodes[position]
    let weight = graph.type(of: linear.operands[1]).shape
    let a = graph.addSource(.parameter(a), TensorType([rank, weight[1]], elementType))
    let b = graph.addSource(.parameter(b), TensorType([weight[0], rank], elementType))
    let frozen = graph.makeNode(linear.operation, linear.operands, phase: .forward)
    let down = graph.makeNode(Linear(), [linear.operands[0], a], phase: .forward)
    let up = graph.makeNode(Linear(scale: scale), [down.results[0], b], phase: .forward)
    var sum = graph.makeNode(Add(), [frozen.results[0], up.results[0]], phase: .forward)
    graph[linear.results[0]].source = .node(sum.id, result: 0)
    sum.results = linear.results
    graph.nodes.replaceSubrange(position...position, with: [frozen, down, up, sum])
  }
}

extension Graph {
  /// The position of a module's linear map among the nodes; nil for modules of another kind.
  func linearNode(of module: TracedModule) -> Int? {
    nodes.firstIndex { node in
      guard node.operation.isLinearMap, node.operands[0] == module.input,
        case .parameter(let weight) = self[node.operands[1]].source
      else { return false }
      return weight.path == module.path
    }
  }
}
