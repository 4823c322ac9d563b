import Graphs
import Operations
import Programs
import Tensors

/// A narrow network beside a frozen one (Sung et al. 2022), which no gradient enters. The residual
/// stream x_l behind block l goes into it through a tap; it gives to the stream behind the last block:
///
///     s ← s + n(x_l)·Tᵀ;   s ← s + (silu(n(s)·Gᵀ) ⊙ n(s)·Uᵀ)·Dᵀ    for each tapped block l, from s = 0
///     y = x_L + scale · s·Oᵀ
///
/// n is a root-mean-square norm without a gain. Shapes, with the ladder's width d and the model's D:
/// tap T [d, D], gate G and up U [2d, d], down D [d, 2d], output O [D, d].
struct LadderNetwork {
  /// What is computed behind one block of the model.
  struct Rung {
    var layer: Int
    var tap: Parameter
    var gate: Parameter
    var up: Parameter
    var down: Parameter
  }

  /// From the lowest block up.
  var rungs: [Rung]
  var output: Parameter
  /// d.
  var width: Int
  var scale: Float = 1

  /// The width of a rung's hidden layer.
  static func hiddenWidth(of width: Int) -> Int { 2 * width }

  private static let epsilon: Float = 1e-5

  /// Inserts the ladder before the last norm.
  ///
  /// - Throws: `AdaptationError.noStream` if the graph has no stream behind one of the blocks.
  func insert(into graph: inout Graph) throws(AdaptationError) {
    guard let top = graph.module(ParameterRole.norm.rawValue)?.input,
      let position = graph.nodes.firstIndex(where: { $0.operands.contains(top) && $0.isNorm })
    else { throw .noStream(layer: nil) }
    let modelWidth = graph.type(of: top).shape[1]
    let ones = Ones(model: graph.addOnes(modelWidth), ladder: graph.addOnes(width))
    var nodes: [Node] = []
    func apply(_ operation: any Operation, _ operands: ValueID...) -> ValueID {
      let node = graph.makeNode(operation, operands, phase: .forward)
      nodes.append(node)
      return node.results[0]
    }
    func weight(_ parameter: Parameter, _ shape: Shape) -> ValueID {
      graph.addSource(.parameter(parameter), TensorType(shape))
    }
    let hidden = Self.hiddenWidth(of: width)
    var stream: ValueID?
    for rung in rungs {
      guard let x = graph.stream(behind: rung.layer) else { throw .noStream(layer: rung.layer) }
      let tapped = apply(
        Linear(), apply(RMSNorm(epsilon: Self.epsilon), x, ones.model),
        weight(rung.tap, [width, modelWidth]))
      let entered = stream.map { apply(Add(), $0, tapped) } ?? tapped
      let normalised = apply(RMSNorm(epsilon: Self.epsilon), entered, ones.ladder)
      let gated = apply(
        GatedActivation(.silu), apply(Linear(), normalised, weight(rung.gate, [hidden, width])),
        apply(Linear(), normalised, weight(rung.up, [hidden, width])))
      stream = apply(
        Add(), entered, apply(Linear(), gated, weight(rung.down, [width, hidden])))
    }
    guard let stream else { return }
    let added = apply(Linear(scale: scale), stream, weight(output, [modelWidth, width]))
    let sum = apply(Add(), top, added)
    graph.nodes[position].operands = graph.nodes[position].operands.map { $0 == top ? sum : $0 }
    graph.nodes.insert(contentsOf: nodes, at: position)
  }

  private struct Ones {
    var model: ValueID
    var ladder: ValueID
  }
}

extension Node {
  fileprivate var isNorm: Bool { operation is RMSNorm }
}

extension Graph {
  /// A gain that changes nothing, [width].
  fileprivate mutating func addOnes(_ width: Int) -> ValueID {
    addSource(
      .constant("ones[\(width)]", .values([Float](repeating: 1, count: width))),
      TensorType([width]))
  }

  /// The residual stream behind a block, [N, D]: what the next block, or the last norm, reads. A graph
  /// that starts above the block has it as well, as its input.
  fileprivate func stream(behind layer: Int) -> ValueID? {
    (module(ParameterPath.block(layer + 1)) ?? module(ParameterRole.norm.rawValue))?.input
  }
}
