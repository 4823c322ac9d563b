import Graphs
import Programs
import Tensors

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
