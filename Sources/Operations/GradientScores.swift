import Graphs
import Programs
import Tensors

/// Cheap scores of one gradient, summed over micro-batches: Σ|g|, Σg² (the diagonal of the
/// empirical Fisher information) and Σ g·sign(g₁), g₁ being the first micro-batch's gradient: what
/// a first step of AdamW along sign(g₁) would gain per unit of learning rate, judged by the other
/// batches (compare GreenTrainer's g ⊙ Δw, Huang et al. 2023).
///
/// Operands: gradient, signs f32 [⌈count/32⌉] (the bits of g₁'s signs; overwritten), record [1]
/// (not 0: this micro-batch is the first), table f32 [slots · 384] (64 · 3 doubles a slot;
/// added to).
public struct GradientScores: LowerableOperation {
  /// Number of scores per gradient.
  public static let scores = 3
  /// Floats per slot of the table.
  public static let slotFloats = 2 * scores * SquaredNorm.partials

  public var slot: Int

  public init(slot: Int) { self.slot = slot }

  /// Words that hold one sign bit for each of `count` elements.
  public static func signWords(_ count: Int) -> Int { (count + 31) / 32 }

  public var name: String { "gradient_scores" }
  public var attributes: [(String, String)] { [("slot", "\(slot)")] }
  public var mutatedOperands: [Int] { [1, 3] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 4)
    let words = Self.signWords(operands[0].shape.count)
    try TypeRule.require(operands, 1, TensorType([words]))
    try TypeRule.require(operands, 2, TensorType([1]))
    guard (slot + 1) * Self.slotFloats <= operands[3].shape.count else {
      throw .operandType(index: 3, found: operands[3], expected: "a slot \(slot)")
    }
    return []
  }

  public func lower(into lowering: inout Lowering) {
    let table = lowering.operands[3].advanced(by: Self.slotFloats * slot)
    lowering.emit(
      "gradient_scores", Array(lowering.operands[0..<3]) + [table],
      sizes: [lowering.operandTypes[0].shape.count], items: SquaredNorm.partials)
  }
}
