import Graphs
import Tensors

/// How an optimizer's moments are kept; what is not f32 is rounded at random.
///
/// Not how weights are stored (`ElementType`) nor what is multiplied (`MatmulOperand`): a program's
/// buffers of moments in eight or four bits hold `BufferElement.momentCodes`.
public enum MomentType: String, Hashable, Sendable, CaseIterable {
  case f32, bf16
  /// Floats of eight bits with a scale for each 256 elements.
  case int8
  /// The second moment as in `int8`, the first one in four bits.
  case int4

  /// Whether blocks of elements share a scale.
  public var hasScales: Bool { self == .int8 || self == .int4 }

  /// Elements that share a scale.
  static let block = 256

  static func blocks(_ count: Int) -> Int { (count + block - 1) / block }

  /// What both moments of a parameter take: elements, or bytes of them, and scales if there are any.
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
