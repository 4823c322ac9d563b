import Graphs
import Operations
import Programs
import Tensors

/// Low-rank adaptation (Hu et al. 2021): y = x·Wᵀ + (alpha/rank) · (x·Aᵀ)·Bᵀ, W frozen.
///
/// A [rank, in] starts Kaiming-uniform with a = √5, B [out, rank] at zero, as in PEFT.
public struct LoRAAdaptation: Adaptation {
  public var rank: Int
  public var alpha: Double
  /// Paths of the matrices to adapt.
  public var targets: Set<String>

  public init(rank: Int, alpha: Double, targets: Set<String>) {
    self.rank = rank
    self.alpha = alpha
    self.targets = targets
  }

  public var name: String { "lora" }
  public var lowRankScale: Double { alpha / Double(rank) }

  public func apply(to graph: inout Graph) throws(AdaptationError) {
    let scale = Float(lowRankScale)
    var rewritten: [Node] = []
    var adapted = Set<String>()
    for node in graph.nodes {
      guard node.operation is Linear, let path = graph.path(of: node), targets.contains(path) else {
        rewritten.append(node)
        continue
      }
      adapted.insert(path)
      let stream = UInt64(adapted.count)
      rewritten += insertFactors(at: node, path: path, scale: scale, stream: stream, in: &graph)
    }
    graph.nodes = rewritten
    if let path = targets.subtracting(adapted).min() { throw .notLinear(path: path) }
    guard graph.trainedParameterCount > 0 else { throw .trainsNothing(method: name) }
  }

  private func insertFactors(
    at node: Node, path: String, scale: Float, stream: UInt64, in graph: inout Graph
  ) -> [Node] {
    let weight = graph.type(of: node.operands[1]).shape
    func factor(_ suffix: String, _ shape: Shape, _ initial: InitialContents) -> ValueID {
      let parameter = Parameter(
        path: "\(path).\(suffix)", rows: 0..<shape[0], isTrained: true, initial: initial)
      return graph.addSource(.parameter(parameter), TensorType(shape))
    }
    let a = factor(
      "lora_a", [rank, weight[1]], .kaimingUniform(fanIn: weight[1], stream: stream))
    let b = factor("lora_b", [weight[0], rank], .zeros)
    // The frozen product gets a fresh result; the sum takes over the old one, so readers need no
    // change.
    let frozen = graph.makeNode(node.operation, node.operands, phase: .forward)
    let down = graph.makeNode(Linear(), [node.operands[0], a], phase: .forward)
    let up = graph.makeNode(Linear(scale: scale), [down.results[0], b], phase: .forward)
    var sum = graph.makeNode(
      Add(), [frozen.results[0], up.results[0]], phase: .forward)
    graph[node.results[0]].source = .node(sum.id, result: 0)
    sum.results = node.results
    return [frozen, down, up, sum]
  }
}

extension Graph {
  /// The path of the weight that a linear node multiplies by.
  fileprivate func path(of node: Node) -> String? {
    guard node.operands.count > 1, case .parameter(let parameter) = self[node.operands[1]].source
    else { return nil }
    return parameter.path
  }
}
