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
