import Graphs
import Programs
import Tensors

/// Rows as bytes with a scale each: scale = max|x| / 127 of a row, byte = round(x / scale), as 128 more.
///
/// Operand: x [N, D], f32 or bf16. Results: bytes [N, D], scales f32 [N].
public struct ToRowBytes: LowerableOperation {
  public init() {}

  public var name: String { "to_row_bytes" }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 1)
    try TypeRule.matrix(operands, 0, bf16: true)
    return [TensorType(operands[0].shape, .int8), TensorType([operands[0].shape[0]])]
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    let buffers = lowering.operands + lowering.results
    if lowering.operandTypes[0].elementType == .bf16 {
      lowering.emit(
        "quantise_rows", buffers + [nil], sizes: [shape.columns, shape.columns], items: shape[0])
    } else {
      lowering.emit("quantise_rows_f32", buffers, sizes: [shape.columns], items: shape[0])
    }
  }
}

/// What `ToRowBytes` leaves of a value. Operands: bytes [N, D], scales f32 [N]. Result: x [N, D].
public struct FromRowBytes: LowerableOperation {
  /// f32 or bf16.
  public var type: ElementType

  public init(_ type: ElementType) { self.type = type }

  public var name: String { "from_row_bytes" }
  public var attributes: [(String, String)] { [("type", "\(type)")] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    guard operands[0].elementType == .int8, operands[0].shape.rank == 2 else {
      throw .operandType(index: 0, found: operands[0], expected: "a matrix in int8")
    }
    try TypeRule.require(operands, 1, TensorType([operands[0].shape[0]]))
    return [TensorType(operands[0].shape, type)]
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    lowering.emit(
      "restore_rows_\(type)", lowering.operands + lowering.results, sizes: [shape.columns],
      items: shape[0])
  }
}
