import Tensors

/// Encodes rows of `f32` as elements of GGUF files, with ggml's rounding.
enum GGUFEncoder {
  /// Elements of a block with one scale.
  static let blockElements = 32

  /// The type's number in files.
  static func id(of type: ForeignElementType) -> UInt32 {
    switch type {
    case .f32: F32Block.id
    case .f16: F16Block.id
    case .bf16: BF16Block.id
    case .q8: Q8Zero.id
    case .q4: Q4Zero.id
    }
  }

  /// Bytes of so many elements; whole blocks of types that have them.
  static func byteCount(_ count: Int, _ type: ForeignElementType) -> Int {
    switch type {
    case .f32: 4 * count
    case .f16, .bf16: 2 * count
    case .q8: count / blockElements * Q8Zero.bytes
    case .q4: count / blockElements * Q4Zero.bytes
    }
  }

  /// Encodes `count` elements into `byteCount(count, type)` bytes.
  static func encode(
    _ source: UnsafePointer<Float>, count: Int, as type: ForeignElementType,
    into target: UnsafeMutableRawPointer
  ) {
    switch type {
    case .f32: target.copyMemory(from: source, byteCount: 4 * count)
    case .f16:
      for i in 0..<count {
        target.storeBytes(of: Float16(source[i]).bitPattern, toByteOffset: 2 * i, as: UInt16.self)
      }
    case .bf16:
      for i in 0..<count {
        target.storeBytes(of: bfloat16Bits(source[i]), toByteOffset: 2 * i, as: UInt16.self)
      }
    case .q8:
      for block in 0..<count / blockElements {
        encodeQ8(source + block * blockElements, into: target + block * Q8Zero.bytes)
      }
    case .q4:
      for block in 0..<count / blockElements {
        encodeQ4(source + block * blockElements, into: target + block * Q4Zero.bytes)
      }
    }
  }

  /// d = max|x| / 127, q = x / d rounded to nearest, halves away from 0.
  private static func encodeQ8(
    _ source: UnsafePointer<Float>, into target: UnsafeMutableRawPointer
  ) {
    var largest: Float = 0
    for i in 0..<blockElements { largest = max(largest, source[i].magnitude) }
    let scale = largest / 127
    let inverse = scale > 0 ? 1 / scale : 0
    target.storeBytes(of: Float16(scale).bitPattern, as: UInt16.self)
    for i in 0..<blockElements {
      let q = (source[i] * inverse).rounded(.toNearestOrAwayFromZero)
      target.storeBytes(of: Int8(max(-127, min(127, q))), toByteOffset: 2 + i, as: Int8.self)
    }
  }

  /// d = x / −8 for the x of the largest magnitude, q = x / d + 8 rounded, at most 15.
  private static func encodeQ4(
    _ source: UnsafePointer<Float>, into target: UnsafeMutableRawPointer
  ) {
    var widest: Float = 0
    for i in 0..<blockElements where source[i].magnitude > widest.magnitude { widest = source[i] }
    let scale = widest / -8
    let inverse = scale != 0 ? 1 / scale : 0
    target.storeBytes(of: Float16(scale).bitPattern, as: UInt16.self)
    func nibble(_ i: Int) -> UInt8 { UInt8(max(0, min(15, source[i] * inverse + 8.5))) }
    for i in 0..<blockElements / 2 {
      target.storeBytes(
        of: nibble(i) | nibble(i + blockElements / 2) << 4, toByteOffset: 2 + i, as: UInt8.self)
    }
  }
}
