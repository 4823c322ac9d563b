// "K" blocks: 256 elements in parts of 16 or 32. Each part has a small integer scale, and in some
// types a small integer offset, which the block's halves d and dmin multiply.

/// y = (d · scale) · q − dmin · offset with q in 0...3, parts of 16: 16 bytes with a nibble of scale
/// and one of offset, 64 bytes of pairs of bits, d, dmin.
enum Q2K: GGUFBlock {
  static let id: UInt32 = 10
  static let name = "Q2_K"
  static let elements = 256
  static let bytes = 84

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let (d, dmin) = (block.half(80), block.half(82))
    for part in 0..<16 {
      let packed = block.byte(part)
      let scale = d * Float(Int32(packed & 15))
      let offset = dmin * Float(Int32(packed >> 4))
      // Each half of the block has 32 bytes, whose four pairs of bits are 32 elements each.
      let shift = UInt8(part % 8 / 2 * 2)
      let bytes = block + 16 + part / 8 * 32 + part % 2 * 16
      for i in 0..<16 {
        let q = Int32(bytes.byte(i) >> shift & 3)
        target[16 * part + i] = scale * Float(q) - offset
      }
    }
  }
}

/// y = (d · (scale − 32)) · q with q in −4...3, parts of 16: 32 bytes of third bits (set: 4 more), 64
/// bytes of pairs of bits, 12 bytes of scales with 6 bits each, d.
enum Q3K: GGUFBlock {
  static let id: UInt32 = 11
  static let name = "Q3_K"
  static let elements = 256
  static let bytes = 110

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let d = block.half(108)
    for part in 0..<16 {
      let scale = d * Float(partScale(block + 96, part))
      let shift = UInt8(part % 8 / 2 * 2)
      let third = UInt8(part / 2)
      let bytes = block + 32 + part / 8 * 32 + part % 2 * 16
      let thirds = block + part % 2 * 16
      for i in 0..<16 {
        let low = Int32(bytes.byte(i) >> shift & 3)
        let high = Int32(thirds.byte(i) >> third & 1)
        target[16 * part + i] = scale * Float(low + 4 * high - 4)
      }
    }
  }

  /// Low nibbles of scales are in 8 bytes, their upper two bits in the next 4.
  private static func partScale(_ scales: UnsafeRawPointer, _ part: Int) -> Int32 {
    let low = scales.byte(part % 8) >> UInt8(part / 8 * 4) & 15
    let high = scales.byte(8 + part % 4) >> UInt8(part / 4 * 2) & 3
    return Int32(low | high << 4) - 32
  }
}

/// The scale and the offset of a part of a Q4_K or Q5_K block: 6 bits each in 12 bytes. The first
/// four parts' are the low bits of bytes 0 to 7; the upper two bits of those bytes belong to the last
/// four parts, whose nibbles are in bytes 8 to 11.
@inline(__always)
private func sixBits(_ packed: UnsafeRawPointer, _ part: Int) -> (scale: Int32, offset: Int32) {
  guard part >= 4 else {
    return (Int32(packed.byte(part) & 63), Int32(packed.byte(part + 4) & 63))
  }
  let nibbles = packed.byte(part + 4)
  let scale = nibbles & 15 | (packed.byte(part - 4) >> 6) << 4
  let offset = nibbles >> 4 | (packed.byte(part) >> 6) << 4
  return (Int32(scale), Int32(offset))
}

/// y = (d · scale) · q − dmin · offset with q in 0...15, parts of 32: d, dmin, 12 bytes of scales and
/// offsets, 128 bytes of nibbles, of which each 32 bytes hold two parts.
enum Q4K: GGUFBlock {
  static let id: UInt32 = 12
  static let name = "Q4_K"
  static let elements = 256
  static let bytes = 144

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let (d, dmin) = (block.half(0), block.half(2))
    for part in 0..<8 {
      let packed = sixBits(block + 4, part)
      let (scale, offset) = (d * Float(packed.scale), dmin * Float(packed.offset))
      let bytes = block + 16 + part / 2 * 32
      let shift = UInt8(part % 2 * 4)
      for i in 0..<32 {
        target[32 * part + i] = scale * Float(Int32(bytes.byte(i) >> shift & 15)) - offset
      }
    }
  }
}

/// As Q4_K with q in 0...31: d, dmin, 12 bytes of scales and offsets, 32 bytes of fifth bits (bit p
/// for part p), 128 bytes of nibbles.
enum Q5K: GGUFBlock {
  static let id: UInt32 = 13
  static let name = "Q5_K"
  static let elements = 256
  static let bytes = 176

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let (d, dmin) = (block.half(0), block.half(2))
    let fifths = block + 16
    for part in 0..<8 {
      let packed = sixBits(block + 4, part)
      let (scale, offset) = (d * Float(packed.scale), dmin * Float(packed.offset))
      let bytes = block + 48 + part / 2 * 32
      let shift = UInt8(part % 2 * 4)
      for i in 0..<32 {
        let q = bytes.byte(i) >> shift & 15 | (fifths.byte(i) >> UInt8(part) & 1) << 4
        target[32 * part + i] = scale * Float(Int32(q)) - offset
      }
    }
  }
}

/// y = (d · scale) · (q − 32) with q in 0...63, parts of 16 with a signed byte of scale: 128 bytes of
/// nibbles, 64 bytes of upper pairs of bits, 16 scales, d.
enum Q6K: GGUFBlock {
  static let id: UInt32 = 14
  static let name = "Q6_K"
  static let elements = 256
  static let bytes = 210

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let d = block.half(208)
    for part in 0..<16 {
      let scale = d * Float(Int8(bitPattern: block.byte(192 + part)))
      // Each half of the block has 64 bytes of nibbles: low ones are its first 64 elements, high
      // ones its last. Its 32 bytes of pairs hold one pair for each run of 32 elements.
      let (half, place) = (part / 8, part % 8)
      let nibbles = block + 64 * half + place % 4 * 16
      let shift = UInt8(place / 4 * 4)
      let pairs = block + 128 + 32 * half + place % 2 * 16
      let pairShift = UInt8(place / 2 * 2)
      for i in 0..<16 {
        let q = nibbles.byte(i) >> shift & 15 | (pairs.byte(i) >> pairShift & 3) << 4
        target[16 * part + i] = scale * Float(Int32(q) - 32)
      }
    }
  }
}
