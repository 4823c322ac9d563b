import Graphs
import Programs
import Tensors

/// The output head and the cross-entropy of its logits, a chunk of tokens at a time, so that the
/// logits [N, V] never exist whole (compare Wijmans et al. 2024).
///
///     logits_n = x_n·Wᵀ        loss_n = logsumexp(logits_n) − logits_n[target_n]
///
/// Operands: x [N, D], parts of the head Wₚ [Vₚ, D], targets int32 [N] (−1: not scored), and, when
/// gradients are wanted, the loss scale [1]: the cotangent that every token's loss gets.
/// Results, as asked for and in this order: loss [N], dx [N, D], dWₚ [Vₚ, D].
///
/// One operation for forward and backward: the backward pass would need the logits again, and the
/// only thing it waits for is a number known before the step. The compiler's fusing stage merges
/// the two into one node (`merged`).
public struct HeadLoss: DifferentiableOperation, LowerableOperation {
  public var parts: Int
  public var wantsLoss: Bool
  public var wantsInput: Bool
  /// One per part.
  public var wantsWeights: [Bool]
  /// The most that the logits may take at a time, in bytes; 16 tokens' logits always may.
  public var logitsBytes = 12 << 20

  public init(
    parts: Int = 1, wantsLoss: Bool = true, wantsInput: Bool = false, wantsWeights: [Bool]? = nil
  ) {
    self.parts = parts
    self.wantsLoss = wantsLoss
    self.wantsInput = wantsInput
    self.wantsWeights = wantsWeights ?? Array(repeating: false, count: parts)
  }

  public var name: String { "head_loss" }
  public var attributes: [(String, String)] {
    let weights = wantsWeights.indices.filter { wantsWeights[$0] }.map { "dW\($0)" }
    let wanted = (wantsLoss ? ["loss"] : []) + (wantsInput ? ["dx"] : []) + weights
    return [("wanted", wanted.joined(separator: "+"))]
  }

  /// Operand indices of the head's parts.
  public var partOperands: Range<Int> { 1..<(1 + parts) }
  private var targets: Int { 1 + parts }
  private var wantsGradient: Bool { wantsInput || wantsWeights.contains(true) }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2 + parts + (wantsGradient ? 1 : 0))
    try TypeRule.matrix(operands, 0)
    for part in partOperands {
      try TypeRule.matrix(operands, part, columns: operands[0].shape[1], weight: true)
    }
    let rows = operands[0].shape[0]
    try TypeRule.require(operands, targets, TensorType([rows], .int32))
    if wantsGradient { try TypeRule.require(operands, targets + 1, TensorType([1])) }
    return (wantsLoss ? [TensorType([rows])] : []) + (wantsInput ? [operands[0]] : [])
      + partOperands.filter { wantsWeights[$0 - 1] }.map { TensorType(operands[$0].shape) }
  }

  public func flops(_ operands: [TensorType]) -> Int {
    operands[partOperands].enumerated().reduce(0) { total, part in
      let products = 1 + (wantsInput ? 1 : 0) + (wantsWeights[part.offset] ? 1 : 0)
      return total + products * 2 * operands[0].shape[0] * part.element.shape.count
    }
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    var result = [ValueID?](repeating: nil, count: node.operands.count)
    guard let lossScale = gradients[0] else { return result }
    var operation = HeadLoss(
      parts: parts, wantsLoss: false, wantsInput: wanted[0],
      wantsWeights: partOperands.map { wanted[$0] })
    operation.logitsBytes = logitsBytes
    var results = graph.add(operation, node.operands + [lossScale], phase: .backward)[...]
    if wanted[0] { result[0] = results.popFirst() }
    for part in partOperands where wanted[part] { result[part] = results.popFirst() }
    return result
  }

  /// This forward operation and that gradient of it as one, or nil if it isn't one.
  public func merged(with gradient: HeadLoss) -> HeadLoss? {
    guard parts == gradient.parts, wantsLoss, !wantsGradient, !gradient.wantsLoss else {
      return nil
    }
    var merged = gradient
    merged.wantsLoss = true
    return merged
  }

  /// Tokens whose logits exist at a time, in multiples of 16.
  private func chunkRows(_ operands: [TensorType]) -> Int {
    let vocabulary = operands[partOperands].reduce(0) { $0 + $1.shape[0] }
    let rows = logitsBytes / (4 * max(1, vocabulary)) / 16 * 16
    return min(operands[0].shape[0], max(16, rows))
  }

  public func temporaries(_ operands: [TensorType]) -> [Int] {
    let vocabulary = operands[partOperands].reduce(0) { $0 + $1.shape[0] }
    let losses = wantsLoss ? [] : [4 * chunkRows(operands)]
    return [4 * vocabulary * chunkRows(operands)] + losses
  }

  public func lower(into lowering: inout Lowering) {
    let rows = lowering.operandTypes[0].shape[0]
    let chunk = chunkRows(lowering.operandTypes)
    for first in stride(from: 0, to: rows, by: chunk) {
      lowerChunk(first..<min(rows, first + chunk), into: &lowering)
    }
  }

  private func lowerChunk(_ rows: Range<Int>, into lowering: inout Lowering) {
    let width = lowering.operandTypes[0].shape[1]
    let vocabulary = lowering.operandTypes[partOperands].reduce(0) { $0 + $1.shape[0] }
    let x = lowering.operands[0].advanced(byFloats: rows.lowerBound * width)
    let logits = lowering.temporaries[0]
    var results = lowering.results[...]
    let loss =
      wantsLoss
      ? results.popFirst()?.advanced(byFloats: rows.lowerBound) : lowering.temporaries[1]
    let columns = partColumns(lowering.operandTypes)
    for (part, column) in zip(partOperands, columns) {
      lowering.emitLinear(
        x: x, weight: part, y: logits.advanced(byFloats: column), m: rows.count,
        ldy: vocabulary, accumulate: false, scale: 1)
    }
    lowering.emit(
      "softmax_cross_entropy",
      [
        logits, lowering.operands[targets].advanced(byBytes: 4 * rows.lowerBound), loss,
        wantsGradient ? lowering.operands[targets + 1] : nil,
      ],
      sizes: [vocabulary, wantsGradient ? 1 : 0], items: rows.count)
    if wantsInput, let dx = results.popFirst() {
      for (part, column) in zip(partOperands, columns) {
        lowering.emitLinearInputGradient(
          dy: logits.advanced(byFloats: column), weight: part,
          dx: dx.advanced(byFloats: rows.lowerBound * width), m: rows.count, lddy: vocabulary,
          accumulate: column > 0, scale: 1)
      }
    }
    for (part, column) in zip(partOperands, columns) where wantsWeights[part - 1] {
      guard let dw = results.popFirst() else { break }
      lowering.emitLinearWeightGradient(
        dy: logits.advanced(byFloats: column), x: x, dw: dw, m: rows.count,
        n: lowering.operandTypes[part].shape[0], k: width, lddy: vocabulary,
        accumulate: rows.lowerBound > 0, scale: 1)
    }
  }

  /// The first column of each part's logits.
  private func partColumns(_ operands: [TensorType]) -> [Int] {
    var next = 0
    return operands[partOperands].map { part in
      defer { next += part.shape[0] }
      return next
    }
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
