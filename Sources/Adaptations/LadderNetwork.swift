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
  /// The tapped blocks, from the lowest up.
  private let layers: [Int]
  /// d.
  private let width: Int
  private let scale: Float
  private let tensors: [LadderTensor: (parameter: Parameter, shape: Shape)]

  /// - Parameters:
  ///   - layers: the tapped blocks.
  ///   - parameter: a tensor of the ladder, of a shape; asked for from the lowest block up, for the
  ///     output last.
  init(
    width: Int, modelWidth: Int, layers: some Sequence<Int>, scale: Float = 1,
    parameter: (LadderTensor, Shape) -> Parameter
  ) {
    self.layers = layers.sorted()
    (self.width, self.scale) = (width, scale)
    let shapes = LadderTensor.shapes(width: width, modelWidth: modelWidth, layers: self.layers)
    let rungs = self.layers.flatMap { layer in
      LadderTensor.Part.allCases.map { LadderTensor(layer, $0) }
    }
    tensors = (rungs + [.output]).reduce(into: [:]) { tensors, tensor in
      guard let shape = shapes[tensor] else { return }
      tensors[tensor] = (parameter(tensor, shape), shape)
    }
  }

  /// The width of a rung's hidden layer.
  static func hiddenWidth(of width: Int) -> Int { 2 * width }

  private static let epsilon: Float = 1e-5

  /// Inserts the ladder before the last norm.
  ///
  /// - Throws: `AdaptationError.noStream` if the graph has no stream behind one of the blocks.
  func insert(into graph: inout Graph) throws(AdaptationError) {
    let position = graph.nodes.firstIndex { node in
      graph.lastStream.map(node.operands.contains) ?? false && node.operation is RMSNorm
    }
    guard let top = graph.lastStream, let position else { throw .noStream(layer: nil) }
    let modelGain = graph.addOnes(graph.type(of: top).shape[1])
    let gain = graph.addOnes(width)
    var nodes: [Node] = []
    func apply(_ operation: any Operation, _ operands: ValueID...) -> ValueID {
      let node = graph.makeNode(operation, operands, phase: .forward)
      nodes.append(node)
      return node.results[0]
    }
    func linear(_ x: ValueID, _ tensor: LadderTensor, scale: Float = 1) -> ValueID {
      guard let (parameter, shape) = tensors[tensor] else {
        preconditionFailure("a ladder without \(tensor.name)")
      }
      let weight = graph.addSource(.parameter(parameter), TensorType(shape))
      return apply(Linear(scale: scale), x, weight)
    }
    func normalised(_ x: ValueID, _ gain: ValueID) -> ValueID {
      apply(RMSNorm(epsilon: Self.epsilon), x, gain)
    }
    var stream: ValueID?
    for layer in layers {
      guard let x = graph.stream(behind: layer) else { throw .noStream(layer: layer) }
      let tapped = linear(normalised(x, modelGain), LadderTensor(layer, .tap))
      let entered = stream.map { apply(Add(), $0, tapped) } ?? tapped
      let h = normalised(entered, gain)
      let hidden = apply(
        GatedActivation(.silu), linear(h, LadderTensor(layer, .gate)),
        linear(h, LadderTensor(layer, .up)))
      stream = apply(Add(), entered, linear(hidden, LadderTensor(layer, .down)))
    }
    guard let stream else { return }
    let sum = apply(Add(), top, linear(stream, .output, scale: scale))
    graph.nodes[position].operands = graph.nodes[position].operands.map { $0 == top ? sum : $0 }
    graph.nodes.insert(contentsOf: nodes, at: position)
  }
}

extension Graph {
  /// A gain that changes nothing, [width].
  fileprivate mutating func addOnes(_ width: Int) -> ValueID {
    addSource(
      .constant("ones[\(width)]", .values([Float](repeating: 1, count: width))),
      TensorType([width]))
  }

  /// The residual stream that the last norm reads, [N, D].
  var lastStream: ValueID? { module(ParameterRole.norm.rawValue)?.input }

  /// The residual stream behind a block, [N, D]: what the next block, or the last norm, reads. A graph
  /// that starts above the block has it as well, as its input.
  fileprivate func stream(behind layer: Int) -> ValueID? {
    module(ParameterPath.block(layer + 1))?.input ?? lastStream
  }
}
