import Graphs
import Operations
import Programs
import Tensors

/// Two low-rank factors beside a linear map: y = x·Wᵀ + scale · (x·Aᵀ)·Bᵀ, A [rank, in], B [out, rank].
struct LowRankBranch: SideBranch {
  /// Drawn when a run starts and then left as it is, unless it trains or is a delta's.
  var a: Parameter
  var b: Parameter
  var rank: Int
  var scale: Float
  /// The type in which the factors are stored.
  var elementType = ElementType.f32

  func nodes(beside linear: Node, in graph: inout Graph) -> [Node] {
    let weight = graph.type(of: linear.operands[1]).shape
    let isDrawn = !a.isTrained && a.initial.isRandom
    let source = isDrawn ? .state(a.name, .parameter, a.initial) : ValueSource.parameter(a)
    let a = graph.addSource(source, TensorType([rank, weight[1]], elementType))
    let b = graph.addSource(.parameter(b), TensorType([weight[0], rank], elementType))
    let down = graph.makeNode(Linear(), [linear.operands[0], a], phase: .forward)
    let up = graph.makeNode(Linear(scale: scale), [down.results[0], b], phase: .forward)
    return [down, up]
  }
}
