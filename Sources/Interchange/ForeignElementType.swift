import Checkpoints
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

  /// The largest magnitude that does not become infinite, or make its block's scale so.
  var largestMagnitude: Float {
    let half = Float(Float16.greatestFiniteMagnitude)
    return switch self {
    case .f32: .greatestFiniteMagnitude
    // From 65520 on, halves round to infinity.
    case .f16: Float(65520).nextDown
    // Less than the largest bfloat16 and half of its last bit.
    case .bf16: Float(bitPattern: 0x7F7F_7FFF)
    case .q8: half * 127
    case .q4: half * 8
    }
  }

  /// Checks that the type holds values that are about to be stored.
  /// - Throws: `CheckpointError.unusableWeight` for one that would become infinite.
  func check(
    _ values: UnsafePointer<Float>, count: Int, tensor: String, path: String
  ) throws(CheckpointError) {
    let limit = largestMagnitude
    for i in 0..<count where values[i].magnitude > limit && values[i].isFinite {
      throw .unusableWeight(
        path: path, tensor: "'\(tensor)'", found: "\(values[i])",
        expected: "magnitudes up to \(limit), for \(rawValue); f32 and bf16 hold larger ones")
    }
  }

  /// Bytes of one element, where elements are stored one by one.
  var elementBytes: Int? {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8, .q4: nil
    }
  }
}
