import Tensors

/// What the elements of a buffer are.
public enum BufferElement: String, Codable, Sendable, CaseIterable {
  case f32, bf16, int32
  /// A stored matrix's int8 elements; its row scales are in a buffer of their own.
  case int8
  /// Optimizer moments as floats of eight bits, or of four, two in a byte; only the update that
  /// writes them can decode them.
  case momentCodes

  /// The element type of a tensor's buffer.
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
