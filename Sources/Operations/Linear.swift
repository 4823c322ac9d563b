import Graphs
import Programs
import Tensors

// Letters: N tokens, I inputs, O outputs; a weight may come in parts of O₀, O₁ … rows, so that some
// rows can train while the frozen ones stay in the mapped checkpoint.

/// Matmul with transposed weights, in parts, with optional bias and initial value.
///
///     y = α · x·Wᵀ (+ b) (+ initial)        W = [W₀; W₁; …]
///
/// Operands: x [N, I], parts Wₚ [Oₚ, I] (f32, bf16 or int8), bias [O]?, initial [N, O]?.
/// Result: y [N, O].
/// Pullback: dx = α · dy·W;  dWₚ = α · dy[:, p]ᵀ·x;  db = Σ rows of dy.
public struct Linear: DifferentiableOperation, AccumulatingOperation {
  public var parts: Int
  public var scale: Float
  public var hasBias: Bool
  public var accumulates: Bool
  public var resultType = ElementType.f32
  public var quantises = false

  public init(parts: Int = 1, scale: Float = 1, hasBias: Bool = false, accumulates: Bool = false) {
    self.parts = parts
    self.scale = scale
    self.hasBias = hasBias
    self.accumulates = accumulates
  }

  public var name: String { "linear" }
  public var attributes: [(String, String)] {
    (parts > 1 ? [("parts", "\(parts)")] : []) + (scale != 1 ? [("scale", "\(scale)")] : [])
      + (hasBias ? [("bias", "yes")] : []) + (accumulates ? [("accumulate", "yes")] : [])
      + (quantises ? [("quantise", "yes")] : [])
  }
  public var inPlacePairs: [(operand: Int, result: Int)] {
    accumulates ? [(operandCount - 1, 0)] : []
  }
  public var isLinearMap: Bool { true }
  public var isRecomputable: Bool { !accumulates }
  private var operandCount: Int { 1 + parts + (hasBias ? 1 : 0) + (accumulates ? 1 : 0) }

  /// Operand indices of the weight's parts.
  public var partOperands: Range<Int> { 1..<(1 + parts) }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, operandCount)
    try TypeRule.matrix(operands, 0, bf16: true)
    for part in partOperands {
      try TypeRule.matrix(operands, part, columns: operands[0].shape[1], weight: true)
    }
    let outputs = operands[partOperands].reduce(0) { $0 + $1.shape[0] }
    let result = TensorType([operands[0].shape[0], outputs], resultType)
    if hasBias { try TypeRule.require(operands, 1 + parts, TensorType([outputs])) }
    if accumulates { try TypeRule.require(operands, operandCount - 1, result) }
    return [result]
  }

  public func flops(_ operands: [TensorType]) -> Int {
    operands[partOperands].reduce(0) { $0 + 2 * operands[0].shape[0] * $1.shape.count }
  }

  public func pullback(
    of node: Node, gradients: [ValueID?], wanted: [Bool], in graph: inout Graph
  ) -> [ValueID?] {
    var result = [ValueID?](repeating: nil, count: node.operands.count)
    guard let dy = gradients[0] else { return result }
    let x = node.operands[0]
    var firstColumn = 0
    for part in partOperands {
      let rows = graph.type(of: node.operands[part]).shape[0]
      if wanted[part] {
        let operation = LinearWeightGradient(firstColumn: firstColumn, rows: rows, scale: scale)
        result[part] = graph.add(operation, [dy, x], phase: .backward)[0]
      }
      firstColumn += rows
    }
    if hasBias, wanted[1 + parts] {
      result[1 + parts] = graph.add(ColumnSum(), [dy], phase: .backward)[0]
    }
    if wanted[0] {
      let operation = LinearInputGradient(parts: parts, scale: scale)
      let weights = Array(node.operands[partOperands])
      result[0] = graph.add(operation, [dy] + weights, phase: .backward)[0]
    }
    if accumulates, wanted[operandCount - 1] { result[operandCount - 1] = dy }
    return result
  }
}

extension Linear: LowerableOperation {
  public func temporaries(_ operands: [TensorType]) -> [Int] {
    quantises ? QuantisedRows.byteCounts(operands[0].shape) : []
  }

  public func lower(into lowering: inout Lowering) {
    let x = lowering.operandTypes[0].shape
    let outputs = lowering.operandTypes[partOperands].reduce(0) { $0 + $1.shape[0] }
    let y = Target(view: lowering.results[0], stride: outputs, type: resultType)
    let input = lowering.input(lowering.operands[0], rows: x[0], quantises: quantises)
    if accumulates {
      lowering.copyInitial(lowering.operands[operandCount - 1], to: y.view)
    }
    var firstColumn = 0
    for part in partOperands {
      let rows = lowering.operandTypes[part].shape[0]
      lowering.emitLinear(
        x: input, weight: part, y: y.advanced(by: firstColumn), m: x[0], accumulate: accumulates,
        scale: scale)
      firstColumn += rows
    }
    if hasBias {
      lowering.emit(
        resultType == .bf16 ? "bias_add_bf16" : "bias_add",
        [y.view, lowering.operands[1 + parts]], sizes: [outputs, outputs], items: x[0],
        grain: Grain.rows)
    }
  }
}

/// The gradient of `Linear` towards its input: dx = α · dy·W (+ initial).
///
/// Operands: dy [N, O], parts Wₚ [Oₚ, I], initial [N, I]?. Result: dx [N, I].
public struct LinearInputGradient: AccumulatingOperation, LowerableOperation {
  public var parts: Int
  public var scale: Float
  public var accumulates = false
  public var resultType = ElementType.f32
  public var quantises = false

  public init(parts: Int, scale: Float) {
    self.parts = parts
    self.scale = scale
  }

  public var name: String { "linear_input_gradient" }
  public var attributes: [(String, String)] {
    (accumulates ? [("accumulate", "yes")] : []) + (quantises ? [("quantise", "yes")] : [])
  }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(1 + parts, 0)] : [] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 1 + parts + (accumulates ? 1 : 0))
    let outputs = operands[1...parts].reduce(0) { $0 + $1.shape[0] }
    try TypeRule.matrix(operands, 0, columns: outputs, bf16: true)
    let inputs = operands[1].shape.columns
    for part in 1...parts { try TypeRule.matrix(operands, part, columns: inputs, weight: true) }
    let result = TensorType([operands[0].shape[0], inputs], resultType)
    if accumulates { try TypeRule.require(operands, 1 + parts, result) }
    return [result]
  }

  public func flops(_ operands: [TensorType]) -> Int {
    operands[1...parts].reduce(0) { $0 + 2 * operands[0].shape[0] * $1.shape.count }
  }

  public func temporaries(_ operands: [TensorType]) -> [Int] {
    quantises ? QuantisedRows.byteCounts(operands[0].shape) : []
  }

  public func lower(into lowering: inout Lowering) {
    let rows = lowering.operandTypes[0].shape[0]
    let inputs = lowering.operandTypes[1].shape[1]
    let dx = Target(view: lowering.results[0], stride: inputs, type: resultType)
    let dy = lowering.input(
      lowering.operands[0], rows: rows, quantises: quantises, factors: lowering.scales[1])
    if accumulates {
      lowering.copyInitial(lowering.operands[1 + parts], to: dx.view)
    }
    var firstColumn = 0
    for part in 1...parts {
      lowering.emitLinearInputGradient(
        dy: part == 1 ? dy : dy.advanced(by: firstColumn), weight: part, dx: dx, m: rows,
        accumulate: accumulates || part > 1, scale: scale)
      firstColumn += lowering.operandTypes[part].shape[0]
    }
  }
}

/// The gradient of `Linear` towards one part of its weight: dWₚ = α · dy[:, p]ᵀ·x (+ initial).
///
/// Operands: dy [N, O], x [N, I], initial [Oₚ, I]?. Result: dWₚ [Oₚ, I].
public struct LinearWeightGradient: AccumulatingOperation, LowerableOperation {
  /// The part's columns of dy: `firstColumn ..< firstColumn + rows`.
  public var firstColumn: Int
  public var rows: Int
  public var scale: Float
  public var accumulates = false

  public init(firstColumn: Int, rows: Int, scale: Float) {
    self.firstColumn = firstColumn
    self.rows = rows
    self.scale = scale
  }

  public var name: String { "linear_weight_gradient" }
  public var attributes: [(String, String)] {
    [("rows", "\(firstColumn)..<\(firstColumn + rows)")]
      + (accumulates ? [("accumulate", "yes")] : [])
  }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(2, 0)] : [] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, accumulates ? 3 : 2)
    try TypeRule.matrix(operands, 0, bf16: true)
    try TypeRule.matrix(operands, 1, bf16: true)
    guard operands[0].shape[0] == operands[1].shape[0],
      operands[0].elementType == operands[1].elementType, firstColumn + rows <= operands[0].shape[1]
    else { throw .operandType(index: 0, found: operands[0], expected: "rows like \(operands[1])") }
    let result = TensorType([rows, operands[1].shape[1]])
    if accumulates { try TypeRule.require(operands, 2, result) }
    return [result]
  }

  public func flops(_ operands: [TensorType]) -> Int {
    2 * operands[0].shape[0] * rows * operands[1].shape[1]
  }

  public func lower(into lowering: inout Lowering) {
    let dy = lowering.operandTypes[0].shape
    let inputs = lowering.operandTypes[1].shape[1]
    let dw = lowering.results[0]
    if accumulates { lowering.copyInitial(lowering.operands[2], to: dw) }
    let type = lowering.operandTypes[0].elementType
    lowering.emitLinearWeightGradient(
      dy: Source(view: lowering.operands[0], stride: dy[1], type: type).advanced(by: firstColumn),
      x: Source(view: lowering.operands[1], stride: inputs, type: type), dw: dw, m: dy[0], n: rows,
      k: inputs, accumulate: accumulates, scale: scale)
  }
}

/// Sum over rows, the gradient of a bias: db[O] = Σ dy[n, O] (+ initial).
public struct ColumnSum: AccumulatingOperation, LowerableOperation {
  public var accumulates = false

  public init() {}

  public var name: String { "column_sum" }
  public var inPlacePairs: [(operand: Int, result: Int)] { accumulates ? [(1, 0)] : [] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, accumulates ? 2 : 1)
    try TypeRule.matrix(operands, 0, bf16: true)
    let result = TensorType([operands[0].shape[1]])
    if accumulates { try TypeRule.require(operands, 1, result) }
    return [result]
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    if accumulates {
      lowering.copyInitial(lowering.operands[1], to: lowering.results[0])
    }
    let isBF16 = lowering.operandTypes[0].elementType == .bf16
    lowering.emit(
      isBF16 ? "column_sum_bf16" : "column_sum",
      [lowering.operands[0], lowering.results[0]],
      sizes: [shape[0], shape[1], accumulates ? 1 : 0], items: shape[1], grain: Grain.columns)
  }
}

extension Linear: BF16Operation, QuantisingOperation {
  public var bf16Groups: [[NodePlace]] {
    [[.operand(0)], [.result(0)] + (accumulates ? [.operand(operandCount - 1)] : [])]
  }
  public var productOperands: [Int] { [0] }
}

extension LinearInputGradient: BF16Operation, QuantisingOperation {
  /// Only with one part: the rows are quantised with a single weight's scales.
  public var canQuantise: Bool { parts == 1 }
  public var bf16Groups: [[NodePlace]] {
    [[.operand(0)], [.result(0)] + (accumulates ? [.operand(1 + parts)] : [])]
  }
  public var productOperands: [Int] { [0] }
}

extension LinearWeightGradient: BF16Operation {
  public var bf16Groups: [[NodePlace]] { [[.operand(0)], [.operand(1)]] }
  public var productOperands: [Int] { [0, 1] }
}

extension ColumnSum: BF16Operation {
  public var bf16Groups: [[NodePlace]] { [[.operand(0)]] }
}

extension Linear: PartitionedOperation {
  public func withOneMorePart() -> any Operation {
    var copy = self
    copy.parts += 1
    return copy
  }
}
