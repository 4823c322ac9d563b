import Storage
import Tensors

/// Encodes rows of `f32` as bytes of an element type, little-endian.
struct RowEncoder {
  let elementType: ElementType
  /// Elements of one row.
  let width: Int
  /// The scales of all rows encoded so far; `int8` only.
  private(set) var scales: [Float] = []

  init(elementType: ElementType, width: Int) {
    self.elementType = elementType
    self.width = width
  }

  /// Encodes `rows` rows into `target`, which holds `rows · width` elements.
  ///
  /// `bf16` rounds to nearest even. `int8` is symmetric: scale = max|x| / 127 of the row,
  /// q = x / scale rounded to nearest even, so |x − scale·q| ≤ scale / 2.
  ///
  /// - Parameter integers: a row that is copied as it is instead, by its number in `source`; for
  ///   `int8`.
  /// - Returns: the row that `int8` can't hold because a value is not finite, or nil.
  mutating func encode(
    _ source: UnsafePointer<Float>, rows: Int, into target: UnsafeMutableRawPointer,
    integers: (Int) -> IntegerRow? = { _ in nil }
  ) -> Int? {
    let count = rows * width
    switch elementType {
    case .f32, .int32:
      target.copyMemory(from: source, byteCount: count * 4)
    case .bf16:
      let bits = target.bindMemory(to: UInt16.self, capacity: count)
      for i in 0..<count { bits[i] = bfloat16Bits(source[i]) }
    case .int8:
      let quantised = target.bindMemory(to: Int8.self, capacity: count)
      for row in 0..<rows {
        let start = row * width
        if let known = integers(row) {
          (quantised + start).update(from: known.values, count: width)
          scales.append(known.scale)
          continue
        }
        guard let scale = Self.quantise(source + start, width, into: quantised + start) else {
          return scales.count
        }
        scales.append(scale)
      }
    }
    return nil
  }

  /// Rounds rows of `width` elements as storing and reading them does. Rows that `int8` can't hold stay
  /// as they are.
  static func rounding(as elementType: ElementType, width: Int) -> RowRounding {
    RowRounding(typeName: elementType.rawValue, isFloat: elementType == .bf16) { values, rows in
      var encoder = RowEncoder(elementType: elementType, width: width)
      let count = rows * width
      let bytes = UnsafeMutableRawPointer.allocate(
        byteCount: count * elementType.byteCount, alignment: ContainerLayout.alignment)
      defer { bytes.deallocate() }
      guard encoder.encode(values, rows: rows, into: bytes) == nil else { return }
      for i in 0..<count {
        switch elementType {
        case .bf16:
          let bits = bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
          values[i] = float(bfloat16Bits: bits)
        case .int8:
          let quantised = bytes.loadUnaligned(fromByteOffset: i, as: Int8.self)
          values[i] = encoder.scales[i / width] * Float(quantised)
        case .f32, .int32: break
        }
      }
    }
  }

  private static func quantise(
    _ source: UnsafePointer<Float>, _ count: Int, into target: UnsafeMutablePointer<Int8>
  ) -> Float? {
    // Magnitudes compare as their bits do, and integers' maximum needs no order of evaluation.
    var bits: Int32 = 0
    for i in 0..<count { bits = max(bits, Int32(bitPattern: source[i].magnitude.bitPattern)) }
    let largest = Float(bitPattern: UInt32(bitPattern: bits))
    guard largest.isFinite else { return nil }
    let scale = largest / 127
    guard scale > 0 else {
      for i in 0..<count { target[i] = 0 }
      return scale
    }
    // Added to 1.5 · 2²³, a small number is rounded to an integer, to nearest even, which is then in
    // the low bits.
    let offset: Float = 12_582_912
    for i in 0..<count {
      let rounded = Int32(bitPattern: (source[i] / scale + offset).bitPattern)
      let q = rounded &- Int32(bitPattern: offset.bitPattern)
      // A subnormal scale loses precision, so the quotient may exceed the range.
      target[i] = Int8(truncatingIfNeeded: max(-127, min(127, q)))
    }
    return scale
  }
}
