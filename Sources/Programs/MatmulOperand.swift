/// What a kernel's arithmetic multiplies; sums are f32, or exact where bytes are multiplied.
///
/// Not how a weight is stored (`ElementType`): weights of any type can be multiplied as any of these.
public enum MatmulOperand: String, Codable, Sendable, CaseIterable {
  /// Floats by floats.
  case f32
  /// Pairs of bf16 values.
  case bf16
  /// Groups of four bytes, quantised row by row.
  case int8
}
