import Tensors

/// What the elements of a buffer are.
public enum BufferElement: String, Codable, Sendable, CaseIterable {
  case f32, bf16, int32
  /// A stored matrix's bytes; a scale for each of its rows is in a buffer of its own.
  case int8
  /// Bytes that only the update which writes them can read: an optimizer's moments as floats of eight
  /// bits, or of four, two in a byte.
  case momentCodes

  /// Elements of a tensor.
  public init(_ type: ElementType) {
    self =
      switch type {
      case .f32: .f32
      case .bf16: .bf16
      case .int8: .int8
      case .int32: .int32
      }
  }
}
