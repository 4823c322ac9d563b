import Graphs
import Programs
import Tensors

/// Rotary position embedding (Su et al. 2021, eq. 34) in the "halves" layout: the pair
/// (i, i + hw/2) of every head turns by the angle of its position.
///
/// Operands: x [N, heads·hw], cosine and sine [positions, hw/2], first position int32 [1]?.
/// Result: y like x. Row n stands at position first + n mod T.
/// Pullback: the same rotation backwards.
public struct Rotary: DifferentiableOperation, LowerableOperation {
  public var heads: Int
  /// T: rows of one window.
  public var tokens: Int
  public var isInverse: Bool
  public var hasOffset: Bool

  public init(heads: Int, tokens: Int, isInverse: Bool = false, hasOffset: Bool = false) {
    self.heads = heads
    self.tokens = tokens
    self.isInverse = isInverse
    self.hasOffset = hasOffset
  }

  public var name: String { "rotary" }
  public var attributes: [(String, String)] {
    [("heads", "\(heads)")] + (isInverse ? [("inverse", "yes")] : [])
  }
  public var isCheap: Bool { true }
  public var inPlacePairs: [(operand: Int, result: Int)] { [(0, 0)] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, hasOffset ? 4 : 3)
    try TypeRule.matrix(operands, 0, bf16: true)
    let headWidth = operands[0].shape[1] / heads
    guard headWidth * heads == operands[0].shape[1], headWidth % 2 == 0 else {
      throw .operandType(index: 0, found: operands[0], expected: "[N, \(heads)·even]")
    }
    try TypeRule.matrix(operands, 1, columns: headWidth / 2)
    try TypeRule.require(operands, 2, operands[1])
    if hasOffset { try TypeRule.require(operands, 3, TensorType([1], .int32)) }
    return [operands[0]]
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    var result = [ValueID?](repeating: nil, count: node.operands.count)
    guard let dy = gradients[0], wanted[0] else { return result }
    var inverse = self
    inverse.isInverse.toggle()
    result[0] = graph.add(inverse, [dy] + node.operands.dropFirst(), phase: .backward)[0]
    return result
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    lowering.emit(
      lowering.operandTypes[0].elementType == .bf16 ? "rotary_bf16" : "rotary",
      [
        lowering.operands[0], lowering.operands[1], lowering.operands[2], lowering.results[0],
        hasOffset ? lowering.operands[3] : nil,
      ],
      sizes: [heads, shape[1] / heads, tokens, shape[1], shape[1]],
      scalars: [isInverse ? -1 : 1], items: shape[0])
  }
}

extension Rotary: BF16Operation {
  public var bf16Groups: [[NodePlace]] { [[.operand(0), .result(0)]] }
}
