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
