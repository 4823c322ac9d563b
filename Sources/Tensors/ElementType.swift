/// The element type of a tensor in memory or in a file.
public enum ElementType: String, Codable, Sendable, CaseIterable {
  /// IEEE 754 single precision.
  case f32
  /// The upper 16 bits of an `f32`, rounded to nearest even.
  case bf16
  /// Signed 8-bit integers with one `f32` scale per row: value = scale[row] · q.
  case int8
  /// Token ids and positions; never a weight.
  case int32

  /// Bytes of one element, not counting the row scales of `int8`.
  public var byteCount: Int {
    switch self {
    case .f32, .int32: 4
    case .bf16: 2
    case .int8: 1
    }
  }
}
