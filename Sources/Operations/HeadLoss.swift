import Graphs
import Programs
import Tensors

/// The output head and the cross-entropy of its logits, a chunk of tokens at a time, so that the
/// logits [N, V] never exist whole (compare Wijmans et al. 2024).
///
///     logits_n = x_n·Wᵀ        loss_n = logsumexp(logits_n) − logits_n[target_n]
///
/// Operands: x [N, D], parts of the head Wₚ [Vₚ, D], targets int32 [N] (−1: not scored), with
/// selected rows their distinct ids int32 [R] and their values S [R, D], which take the place of
/// those rows of W, and, when gradients are wanted, the loss scale [1]: the cotangent that every
/// token's loss gets.
/// Results, as asked for and in this order: loss [N], dx [N, D], dWₚ [Vₚ, D], dS [R, D].
///
/// Selected rows let a few rows anywhere in a frozen, mapped head train. The logits that W itself
/// gives for those rows are wasted work and get overwritten, but its matmuls stay dense. Training a
/// row costs 6·N·D operations; each selected row costs 4·N·D on top, each other row saves 2·N·D.
///
/// One operation for forward and backward: the backward pass would need the logits again, and all
/// it waits for is the loss scale, known before the step. The compiler's fusing stage merges the
/// two nodes into one (`merged`).
public struct HeadLoss: DifferentiableOperation, MergingOperation, RowSelectingOperation {
  public var parts: Int
  /// Whether the values of some rows come from a separate operand instead of the parts.
  public var hasSelectedRows: Bool
  public var wantsLoss: Bool
  public var wantsInput: Bool
  /// Whether each part's gradient is wanted.
  public var wantsWeights: [Bool]
  public var wantsSelectedRows = false
  public var quantises = false
  /// Limit on the logits' memory in bytes, where it is more than the logits of `leastTokens`.
  public var logitsBytes = 16 << 20
  /// Tokens whose logits exist at a time whatever the limit, a multiple of 16. Each chunk reads the
  /// whole head from memory, twice: of 16 tokens at a time, nothing else would take as long.
  public var leastTokens = 64

  public init(
    parts: Int = 1, hasSelectedRows: Bool = false, wantsLoss: Bool = true,
    wantsInput: Bool = false, wantsWeights: [Bool]? = nil
  ) {
    self.parts = parts
    self.hasSelectedRows = hasSelectedRows
    self.wantsLoss = wantsLoss
    self.wantsInput = wantsInput
    self.wantsWeights = wantsWeights ?? Array(repeating: false, count: parts)
  }

  public var name: String { "head_loss" }
  public var attributes: [(String, String)] {
    let weights = wantsWeights.indices.filter { wantsWeights[$0] }.map { "dW\($0)" }
    let wanted =
      (wantsLoss ? ["loss"] : []) + (wantsInput ? ["dx"] : []) + weights
      + (wantsSelectedRows ? ["dS"] : [])
    return [("wanted", wanted.joined(separator: "+"))]
      + (hasSelectedRows ? [("selected_rows", "yes")] : [])
      + (quantises ? [("quantise", "yes")] : [])
  }

  /// Operand indices of the head's parts.
  public var partOperands: Range<Int> { 1..<(1 + parts) }
  var targets: Int { 1 + parts }
  /// Operand indices of the selected rows' ids and values, if there are any.
  var selection: (ids: Int, rows: Int)? { hasSelectedRows ? (2 + parts, 3 + parts) : nil }
  var lossScale: Int { (selection?.rows ?? targets) + 1 }
  var wantsGradient: Bool { wantsInput || wantsSelectedRows || wantsWeights.contains(true) }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, lossScale + (wantsGradient ? 1 : 0))
    try TypeRule.matrix(operands, 0, bf16: true)
    let (rows, width) = (operands[0].shape[0], operands[0].shape[1])
    for part in partOperands { try TypeRule.matrix(operands, part, columns: width, weight: true) }
    try TypeRule.require(operands, targets, TensorType([rows], .int32))
    if let selection {
      try TypeRule.matrix(operands, selection.rows, columns: width)
      let count = operands[selection.rows].shape[0]
      try TypeRule.require(operands, selection.ids, TensorType([count], .int32))
    }
    if wantsGradient { try TypeRule.require(operands, lossScale, TensorType([1])) }
    return (wantsLoss ? [TensorType([rows])] : [])
      + (wantsInput ? [TensorType(operands[0].shape)] : [])
      + partOperands.filter { wantsWeights[$0 - 1] }.map { TensorType(operands[$0].shape) }
      + (selection.map { wantsSelectedRows ? [operands[$0.rows]] : [] } ?? [])
  }

  public func flops(_ operands: [TensorType]) -> Int {
    var wanted = Array(zip(partOperands, wantsWeights))
    if let selection { wanted.append((selection.rows, wantsSelectedRows)) }
    return wanted.reduce(0) { total, weight in
      let products = 1 + (wantsInput ? 1 : 0) + (weight.1 ? 1 : 0)
      return total + products * 2 * operands[0].shape[0] * operands[weight.0].shape.count
    }
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    var result = [ValueID?](repeating: nil, count: node.operands.count)
    guard let lossScale = gradients[0] else { return result }
    var operation = self
    operation.wantsLoss = false
    operation.wantsInput = wanted[0]
    operation.wantsWeights = partOperands.map { wanted[$0] }
    operation.wantsSelectedRows = selection.map { wanted[$0.rows] } ?? false
    var results = graph.add(operation, node.operands + [lossScale], phase: .backward)[...]
    let order = [0] + Array(partOperands) + (selection.map { [$0.rows] } ?? [])
    for operand in order where wanted[operand] { result[operand] = results.popFirst() }
    return result
  }

  /// The loss and its gradient share the logits.
  public func merged(with gradient: any Operation) -> (any Operation)? {
    guard let gradient = gradient as? HeadLoss, parts == gradient.parts,
      hasSelectedRows == gradient.hasSelectedRows, wantsLoss,
      !wantsGradient, !gradient.wantsLoss
    else {
      return nil
    }
    var merged = gradient
    merged.wantsLoss = true
    return merged
  }
}

extension HeadLoss: PartitionedOperation {
  public func withOneMorePart() -> any Operation {
    var copy = self
    copy.parts += 1
    copy.wantsWeights.append(false)
    return copy
  }
}

extension HeadLoss: BF16Operation, QuantisingOperation {
  public var bf16Groups: [[NodePlace]] { [[.operand(0)]] }
  public var productOperands: [Int] { [0] }
}
