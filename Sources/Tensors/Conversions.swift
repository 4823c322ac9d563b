/// `value` rounded to bfloat16, to nearest even; NaN stays NaN.
@inlinable public func bfloat16Bits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x0040 }
  return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
}

/// The `Float` that a bfloat16 bit pattern stands for; exact.
@inlinable public func float(bfloat16Bits bits: UInt16) -> Float {
  Float(bitPattern: UInt32(bits) << 16)
}

/// Rounds floats to the nearest bfloat16 in place.
public func roundToBfloat16(_ values: UnsafeMutableBufferPointer<Float>) {
  for index in values.indices {
    values[index] = float(bfloat16Bits: bfloat16Bits(values[index]))
  }
}

/// The `Float` value of an IEEE 754 half-precision bit pattern; exact.
@inlinable public func float(halfBits bits: UInt16) -> Float {
  // As a single, the shifted pattern is 2¹¹² times too small, subnormal halves included.
  let shifted = UInt32(bits & 0x7FFF) << 13
  let scaled = (Float(bitPattern: shifted) * 0x1p112).bitPattern
  // Infinity and NaN keep all bits of the exponent.
  let magnitude = shifted >= 0x0F80_0000 ? shifted | 0x7F80_0000 : scaled
  return Float(bitPattern: magnitude | UInt32(bits & 0x8000) << 16)
}

/// `value` as an IEEE 754 half-precision bit pattern, rounded to nearest even; a magnitude from 65520
/// on becomes infinity.
public func halfBits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
  if value.isNaN { return sign | 0x7E00 }
  let magnitude = value.magnitude
  if magnitude >= 65520 { return sign | 0x7C00 }
  if magnitude < 0x1p-14 {
    // Subnormal: multiples of 2⁻²⁴; 1024 of them are the smallest normal number.
    return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
  }
  // The carry of rounding up runs into the exponent, as it should.
  let rounded = (bits & 0x7FFF_FFFF) &+ 0xFFF &+ ((bits >> 13) & 1)
  return sign | UInt16(truncatingIfNeeded: (rounded >> 13) &- (112 << 10))
}
