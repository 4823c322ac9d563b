// Nibbles that are indices of a table of sixteen values.

/// The values of IQ4 types, denser around 0.
private let unevenValues: [Float] = [
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
]

/// Twice the values of 4-bit floats with 2 bits of exponent and 1 of fraction (OCP Microscaling
/// Formats 1.0, section 5.3.3).
private let smallFloats: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

/// Writes 32 elements: 16 bytes' low nibbles, then their high ones.
@inline(__always)
private func looked(
  up bytes: UnsafeRawPointer, in table: [Float], times scale: Float,
  into target: UnsafeMutablePointer<Float>
) {
  table.withUnsafeBufferPointer { table in
    for i in 0..<16 {
      let byte = bytes.byte(i)
      target[i] = scale * table[Int(byte & 15)]
      target[i + 16] = scale * table[Int(byte >> 4)]
    }
  }
}

/// y = d · value, blocks of 32: d, then 16 bytes of nibbles.
enum IQ4NL: GGUFBlock {
  static let id: UInt32 = 20
  static let name = "IQ4_NL"
  static let elements = 32
  static let bytes = 18

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    looked(up: block + 2, in: unevenValues, times: block.half(0), into: target)
  }
}

/// y = (d · (scale − 32)) · value, blocks of 256 in parts of 32: d, 16 bits with the upper two bits of
/// each part's scale, 4 bytes of the scales' nibbles, 128 bytes of nibbles.
enum IQ4XS: GGUFBlock {
  static let id: UInt32 = 23
  static let name = "IQ4_XS"
  static let elements = 256
  static let bytes = 136

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let (d, upper) = (block.half(0), block.word(2))
    for part in 0..<8 {
      let low = block.byte(4 + part / 2) >> UInt8(part % 2 * 4) & 15
      let high = UInt8(upper >> UInt16(2 * part) & 3)
      let scale = d * Float(Int32(low | high << 4) - 32)
      looked(up: block + 8 + 16 * part, in: unevenValues, times: scale, into: target + 32 * part)
    }
  }
}

/// y = 2^(e − 128) · twice the value, blocks of 32: a byte e, then 16 bytes of nibbles.
enum MXFP4: GGUFBlock {
  static let id: UInt32 = 39
  static let name = "MXFP4"
  static let elements = 32
  static let bytes = 17

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let exponent = UInt32(block.byte(0))
    // Powers below the least normal single are subnormal ones.
    let bits = exponent < 2 ? 0x0020_0000 << exponent : (exponent - 1) << 23
    looked(up: block + 1, in: smallFloats, times: Float(bitPattern: bits), into: target)
  }
}
