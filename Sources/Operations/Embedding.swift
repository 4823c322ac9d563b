import Graphs
import Programs
import Tensors

/// Looks up a row of a table for each token: y[n] = table[ids[n]].
///
/// Operands: ids int32 [N], parts of the table [Vₚ, D] (consecutive rows of the vocabulary).
/// Result: y [N, D]. Pullback: dtable[v] = Σ of dy[n] over tokens n with ids[n] = v.
public struct Embedding: DifferentiableOperation, LowerableOperation {
  public var parts: Int

  public init(parts: Int = 1) { self.parts = parts }

  public var name: String { "embedding" }
  public var isLookup: Bool { true }
  public var attributes: [(String, String)] { parts > 1 ? [("parts", "\(parts)")] : [] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 1 + parts)
    guard operands[0].elementType == .int32, operands[0].shape.rank == 1 else {
      throw .operandType(index: 0, found: operands[0], expected: "int32[N]")
    }
    let width = operands[1].shape.columns
    for part in 1...parts { try TypeRule.matrix(operands, part, columns: width, weight: true) }
    return [TensorType([operands[0].shape[0], width])]
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    var result = [ValueID?](repeating: nil, count: node.operands.count)
    guard let dy = gradients[0] else { return result }
    var first = 0
    for part in 1...parts {
      let rows = graph.type(of: node.operands[part]).shape[0]
      if wanted[part] {
        let operation = EmbeddingGradient(first: first, rows: rows)
        result[part] = graph.add(operation, [node.operands[0], dy], phase: .backward)[0]
      }
      first += rows
    }
    return result
  }

  public func lower(into lowering: inout Lowering) {
    let tokens = lowering.operandTypes[0].shape[0]
    var first = 0
    for part in 1...parts {
      let table = lowering.operandTypes[part]
      lowering.emit(
        "embedding_\(table.elementType)",
        [
          lowering.operands[0], lowering.operands[part], lowering.scales[part], lowering.results[0],
        ],
        sizes: [table.shape[1], first, table.shape[0]], items: tokens, grain: Grain.rows)
      first += table.shape[0]
    }
  }
}

/// The gradient of `Embedding` towards one part of its table (+ initial), summed in token order.
///
/// Operands: ids int32 [N], dy [N, D], initial [V, D]?. Result: dtable [V, D].
public struct EmbeddingGradient: AccumulatingOperation, LowerableOperation {
  /// The vocabulary rows of the part: `first ..< first + rows`.
  public var first: Int
  public var rows: Int
  public var accumulates = false

  public init(first: Int, rows: Int) {
    self.first = first
    self.rows = rows
  }

  public var name: String { "embedding_gradient" }
  public var attributes: [(String, String)] {
    [("rows", "\(first)..<\(first + rows)")] + (accumulates ? [("accumulate", "yes")] : [])
  }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(2, 0)] : [] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, accumulates ? 3 : 2)
    try TypeRule.matrix(operands, 1)
    let result = TensorType([rows, operands[1].shape[1]])
    if accumulates { try TypeRule.require(operands, 2, result) }
    return [result]
  }

  public func lower(into lowering: inout Lowering) {
    let dy = lowering.operandTypes[1].shape
    if accumulates {
      lowering.copyInitial(lowering.operands[2], to: lowering.results[0])
    }
    lowering.emit(
      "embedding_gradient", [lowering.operands[0], lowering.operands[1], lowering.results[0]],
      sizes: [dy[1], first, rows, dy[0], accumulates ? 1 : 0], items: dy[1], grain: Grain.columns)
  }
}

extension Embedding: PartitionedOperation {
  public func withOneMorePart() -> any Operation {
    var copy = self
    copy.parts += 1
    return copy
  }
}
