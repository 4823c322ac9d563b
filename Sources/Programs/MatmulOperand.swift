/// The operand type of a kernel's multiplications; sums are f32, or exact integers for int8.
///
/// Not how a weight is stored (`ElementType`): weights of any type can be multiplied as any of these.
public enum MatmulOperand: String, Codable, Sendable, CaseIterable {
  /// Floats by floats.
  case f32
  /// Pairs of bf16 values.
  case bf16
  /// Groups of four int8 values, quantised row by row.
  case int8
}
