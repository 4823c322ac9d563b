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
