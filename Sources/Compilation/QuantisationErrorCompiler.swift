import Graphs
import Operations
import Programs
import Tensors

/// A matmul of a forward pass with a matrix of the checkpoint, as `QuantisationErrorCompiler` counts
/// them.
public struct MeasuredProduct: Hashable, Sendable {
  /// The checkpoint's name of the matrix.
  public var matrix: String
  /// Floating-point operations of the forward matmul of one micro-batch.
  public var flops: Int
  /// Where the magnitudes of its input's columns are, in `Port.inputMagnitudes`.
  public var columns: Range<Int>
}

/// Compiles a step that trains nothing and measures, at every matmul with a matrix of the checkpoint,
/// what quantising its input would cost (`QuantisationError`): forward, and backward towards the
/// inputs of these matmuls only, in bf16.
public struct QuantisationErrorCompiler: Sendable {
  public init() {}

  /// - Parameter traced: a forward pass with the lowest parameter marked as scored that a gradient
  ///   has to reach.
  /// - Returns: the program, and the matmuls in the order of their slots in
  ///   `Port.quantisationErrors`.
  /// - Throws: `GraphError` naming the node if a stage breaks the graph.
  public func compile(
    _ traced: Graph
  ) throws(GraphError) -> (program: CompiledProgram, products: [MeasuredProduct]) {
    let (program, products) = try Pipeline.measuring(traced, precision: .bf16) { graph, _ in
      graph.insertQuantisationErrors()
    }
    return (program, products)
  }
}

extension Graph {
  /// Puts a measurement behind the gradient of every measured matmul's input.
  fileprivate mutating func insertQuantisationErrors() -> [MeasuredProduct] {
    let found = nodes.enumerated().compactMap { position, node in
      measurement(of: node).map { (position: position, matrix: $0.matrix, input: $0.input) }
    }
    let widths = found.map { type(of: $0.input).shape.columns }
    let errors = addTable(.quantisationErrors, found.count * 2 * QuantisationError.partials)
    let magnitudes = addTable(.inputMagnitudes, widths.reduce(0, +))
    var products: [MeasuredProduct] = []
    var behind: [Int: Node] = [:]
    var column = 0
    for (slot, place) in found.enumerated() {
      let operation = QuantisationError(slot: slot, firstColumn: column)
      let (input, gradient) = (place.input, nodes[place.position].results[0])
      behind[place.position] = makeNode(
        operation, [input, gradient, errors, magnitudes], phase: .update)
      let shape = type(of: input).shape
      products.append(
        MeasuredProduct(
          matrix: place.matrix, flops: 2 * shape[0] * storedElements(place.position),
          columns: column..<column + widths[slot]))
      column += widths[slot]
    }
    nodes = nodes.indices.flatMap { [nodes[$0]] + (behind[$0].map { [$0] } ?? []) }
    return products
  }

  /// The matrix and the forward input of a matmul whose gradient towards that input a node computes.
  private func measurement(of node: Node) -> (matrix: String, input: ValueID)? {
    guard let matrix = node.operands.lazy.compactMap(storedMatrix).first else { return nil }
    if let head = node.operation as? HeadLoss {
      return head.wantsInput ? (matrix, node.operands[0]) : nil
    }
    guard let gradient = node.operation as? LinearInputGradient else { return nil }
    let weights = node.operands[1...gradient.parts]
    let forward = nodes.first { node in
      guard let linear = node.operation as? Linear else { return false }
      return node.operands[linear.partOperands] == weights
    }
    return forward.map { (matrix, $0.operands[0]) }
  }

  /// Elements of the stored matrices that a node multiplies by.
  private func storedElements(_ position: Int) -> Int {
    nodes[position].operands.filter(isStoredMatrix).reduce(0) { $0 + type(of: $1).shape.count }
  }
}
