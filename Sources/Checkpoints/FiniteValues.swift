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
    // The exponents of the two or four elements in eight bytes, and the lowest and highest bit of each.
    let isSingle = elementType == .f32
    let exponents: UInt64 = isSingle ? 0x7F80_0000_7F80_0000 : 0x7F80_7F80_7F80_7F80
    let lowest: UInt64 = isSingle ? 0x0000_0001_0000_0001 : 0x0001_0001_0001_0001
    var found: UInt64 = 0
    let words = bytes.count / 8
    for word in 0..<words {
      // An exponent of nothing but ones becomes 0, from which alone a 1 borrows the highest bit.
      let bits = bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
      let rest = bits & exponents ^ exponents
      found |= (rest &- lowest) & ~rest
    }
    let highest = lowest << (isSingle ? 31 : 15)
    let tail = words * 8 / elementType.byteCount..<bytes.count / elementType.byteCount
    func isOther(_ index: Int) -> Bool { !isFinite(bytes, index, elementType) }
    if found & highest != 0 { return (0..<tail.upperBound).first(where: isOther) }
    return tail.first(where: isOther)
  }

  /// A value and its place, such as "NaN in row 3, column 17", both counted from 0.
  ///
  /// - Parameters:
  ///   - index: the element's, counted from the first element of row `firstRow`.
  ///   - shape: of the whole tensor.
  static func described(_ value: Float, at index: Int, from firstRow: Int, _ shape: Shape) -> String
  {
    let width = shape.extents.dropFirst().reduce(1, *)
    let word = value.isNaN ? "NaN" : value.isInfinite ? value < 0 ? "−∞" : "∞" : "\(value)"
    let row = firstRow + index / width
    return shape.rank == 1 ? "\(word) at \(row)" : "\(word) in row \(row), column \(index % width)"
  }

  private static func isFinite(
    _ bytes: UnsafeRawBufferPointer, _ index: Int, _ elementType: ElementType
  ) -> Bool {
    // The upper half of an f32 and all of a bf16 hold the exponent.
    let offset = elementType == .f32 ? index * 4 + 2 : index * 2
    return bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self) & 0x7F80 != 0x7F80
  }
}
