import Tensors

/// How the elements of a matrix are stored in other programs' files.
public enum ForeignElementType: String, Sendable, CaseIterable {
  case f32, f16, bf16
  /// Blocks of 32 with a scale each, eight bits an element.
  case q8 = "q8_0"
  /// Blocks of 32 with a scale each, four bits an element.
  case q4 = "q4_0"
}

extension ForeignElementType {
  /// The narrowest type for matrices that are stored in `type`, without rounding.
  init(holding type: ElementType) { self = type == .bf16 ? .bf16 : .f32 }

  /// Bytes of one element, where elements are stored one by one.
  var elementBytes: Int? {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8, .q4: nil
    }
  }
}
