import Graphs
import Programs
import Tensors

/// Partial sums of one gradient's squares, in double, written to its slot of a shared table.
///
/// Operands: gradient, table f32 [slots · 128] (overwritten; 64 doubles a slot).
public struct SquaredNorm: LowerableOperation {
  /// Doubles per gradient; the summation order does not depend on the number of threads.
  public static let partials = 64
  public var slot: Int

  public init(slot: Int) { self.slot = slot }

  public var name: String { "squared_norm" }
  public var attributes: [(String, String)] { [("slot", "\(slot)")] }
  public var mutatedOperands: [Int] { [1] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    guard (slot + 1) * 2 * Self.partials <= operands[1].shape.count else {
      throw .operandType(index: 1, found: operands[1], expected: "a slot \(slot)")
    }
    return []
  }

  public func lower(into lowering: inout Lowering) {
    lower(
      lowering.operands[0], count: lowering.operandTypes[0].shape.count,
      table: lowering.operands[1],
      into: &lowering)
  }

  /// Emits the sums of `count` elements.
  func lower(
    _ gradient: BufferView, count: Int, table: BufferView, into lowering: inout Lowering
  ) {
    let place = table.advanced(byBytes: 8 * Self.partials * slot)
    lowering.emit("squared_norm", [gradient, place], sizes: [count], items: Self.partials)
  }
}

/// The gradient's L2 norm over all trained parameters, and the factor that clips it (Pascanu et al.
/// 2013), into the hyper input. Operands: table of partial sums, hyper [8] (overwritten).
public struct ClipScale: LowerableOperation {
  /// Gradients with a norm up to this are not clipped; 0 never clips.
  public var limit: Float

  public init(limit: Float) { self.limit = limit }

  public var name: String { "clip_scale" }
  public var attributes: [(String, String)] { [("limit", "\(limit)")] }
  public var mutatedOperands: [Int] { [1] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 2)
    try TypeRule.require(operands, 1, TensorType([HyperSlot.count]))
    return []
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "clip_scale", lowering.operands, sizes: [lowering.operandTypes[0].shape.count / 2],
      scalars: [limit], items: 1)
  }
}
