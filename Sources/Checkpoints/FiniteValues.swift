import Tensors

/// Searches for values that are infinite or not a number.
enum FiniteValues {
  /// The index of the first such element; nil if all are finite.
  static func firstOther(_ values: UnsafePointer<Float>, count: Int) -> Int? {
    let exponent: UInt32 = 0x7F80_0000
    // Without a branch per element, so that the usual case is as fast as memory.
    var found: UInt32 = 0
    for i in 0..<count { found |= values[i].bitPattern & exponent == exponent ? 1 : 0 }
    guard found != 0 else { return nil }
    return (0..<count).first { !values[$0].isFinite }
  }

  /// The same for stored elements; integers are always finite.
  static func firstOther(_ bytes: UnsafeRawBufferPointer, _ elementType: ElementType) -> Int? {
    guard elementType == .f32 || elementType == .bf16 else { return nil }
    let count = bytes.count / elementType.byteCount
    // The upper half of an f32 and all of a bf16 hold the exponent.
    let (stride, offset) = elementType == .f32 ? (4, 2) : (2, 0)
    func isOther(_ index: Int) -> Bool {
      let bits = bytes.loadUnaligned(fromByteOffset: index * stride + offset, as: UInt16.self)
      return UInt16(littleEndian: bits) & 0x7F80 == 0x7F80
    }
    var found: UInt32 = 0
    for index in 0..<count { found |= isOther(index) ? 1 : 0 }
    return found == 0 ? nil : (0..<count).first(where: isOther)
  }
}
