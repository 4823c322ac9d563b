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
public func float(halfBits bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10) & 0x1F
  let fraction = UInt32(bits & 0x3FF)
  switch exponent {
  case 0:
    // Subnormal: fraction · 2⁻²⁴.
    return Float(bitPattern: sign | (Float(fraction) * 0x1p-24).bitPattern)
  case 0x1F: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
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
