import Graphs
import Programs
import Tensors

/// What multiplying integers would cost in one matmul, measured on its input: the loss's increase to
/// second order if rows of x were quantised, and the largest magnitude of each column of x.
///
///     error += Σ (g·e)²        e = x − scale·round(x / scale), scale = max|x| / 127 of a row
///
/// g being the gradient of the loss's sum towards x. Half of it is the expected increase of that sum
/// where the elements' errors are independent and the loss's curvature is its gradient's square (the
/// empirical Fisher information, as in Optimal Brain Damage's use of it; LeCun et al. 1990).
///
/// Operands: x f32 [N, I], g f32 [N, I], errors f32 [slots · 128] (64 doubles a slot; added to),
/// magnitudes f32 [≥ firstColumn + I] (raised to what x has). No results.
public struct QuantisationError: LowerableOperation {
  /// Doubles per slot; the order of summation does not depend on the number of threads.
  public static let partials = 64
  public var slot: Int
  /// Where the columns' magnitudes begin.
  public var firstColumn: Int

  public init(slot: Int, firstColumn: Int) {
    self.slot = slot
    self.firstColumn = firstColumn
  }

  public var name: String { "quantisation_error" }
  public var attributes: [(String, String)] { [("slot", "\(slot)")] }
  public var mutatedOperands: [Int] { [2, 3] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 4)
    try TypeRule.matrix(operands, 0)
    try TypeRule.require(operands, 1, operands[0])
    guard (slot + 1) * 2 * Self.partials <= operands[2].shape.count else {
      throw .operandType(index: 2, found: operands[2], expected: "a slot \(slot)")
    }
    guard firstColumn + operands[0].shape.columns <= operands[3].shape.count else {
      throw .operandType(index: 3, found: operands[3], expected: "columns from \(firstColumn) on")
    }
    return []
  }

  public func lower(into lowering: inout Lowering) {
    let shape = lowering.operandTypes[0].shape
    let sizes = [shape[0], shape[1]]
    let (x, gradient) = (lowering.operands[0], lowering.operands[1])
    lowering.emit(
      "quantisation_error",
      [x, gradient, lowering.operands[2].advanced(byBytes: 8 * Self.partials * slot)],
      sizes: sizes, items: Self.partials)
    lowering.emit(
      "column_magnitudes", [x, lowering.operands[3].advanced(by: firstColumn)], sizes: sizes,
      items: shape[1], grain: Grain.columns)
  }
}
