import Graphs
import Tensors

/// How an optimizer's moments are stored; types other than f32 are rounded stochastically.
///
/// Not how weights are stored (`ElementType`) nor what matmuls multiply (`MatmulOperand`): a
/// program's buffers of moments in eight or four bits hold `BufferElement.momentCodes`.
public enum MomentType: String, Hashable, Sendable, CaseIterable {
  case f32, bf16
  /// Eight-bit floats with a scale for each 256 elements.
  case int8
  /// The second moment as in `int8`, the first moment in four bits.
  case int4

  /// Whether blocks of elements share a scale.
  public var hasScales: Bool { self == .int8 || self == .int4 }

  /// Elements that share a scale.
  static let block = 256

  static func blocks(_ count: Int) -> Int { (count + block - 1) / block }

  /// Types of a parameter's two moments (elements, or bytes of codes) and of their scales, if any.
  public func types(of shape: Shape) -> (first: TensorType, second: TensorType, scales: TensorType?)
  {
    let blocks = Self.blocks(shape.count)
    let scales = TensorType([blocks])
    return switch self {
    case .f32: (TensorType(shape), TensorType(shape), nil)
    case .bf16: (TensorType(shape, .bf16), TensorType(shape, .bf16), nil)
    case .int8: (TensorType(shape, .int8), TensorType(shape, .int8), scales)
    case .int4:
      (TensorType([blocks * Self.block / 2], .int8), TensorType(shape, .int8), scales)
    }
  }
}
