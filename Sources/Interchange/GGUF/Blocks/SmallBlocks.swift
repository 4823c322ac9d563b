// Blocks of 32 elements with one scale d, a half, and perhaps an offset m, a half too. Nibbles: the
// low ones are the block's first 16 elements, the high ones its last 16.

/// y = d · q with q in −128...127: d, then 32 bytes.
enum Q8Zero: GGUFBlock {
  static let id: UInt32 = 8
  static let name = "Q8_0"
  static let elements = 32
  static let bytes = 34

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let scale = block.half(0)
    for i in 0..<32 { target[i] = scale * Float(Int8(bitPattern: block.byte(2 + i))) }
  }
}

/// y = d · (q − 8) with q in 0...15: d, then 16 bytes of nibbles.
enum Q4Zero: GGUFBlock {
  static let id: UInt32 = 2
  static let name = "Q4_0"
  static let elements = 32
  static let bytes = 18

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let scale = block.half(0)
    for i in 0..<16 {
      let byte = block.byte(2 + i)
      target[i] = scale * Float(Int32(byte & 15) - 8)
      target[i + 16] = scale * Float(Int32(byte >> 4) - 8)
    }
  }
}

/// y = d · q + m with q in 0...15: d, m, then 16 bytes of nibbles.
enum Q4One: GGUFBlock {
  static let id: UInt32 = 3
  static let name = "Q4_1"
  static let elements = 32
  static let bytes = 20

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let (scale, offset) = (block.half(0), block.half(2))
    for i in 0..<16 {
      let byte = block.byte(4 + i)
      target[i] = scale * Float(Int32(byte & 15)) + offset
      target[i + 16] = scale * Float(Int32(byte >> 4)) + offset
    }
  }
}

/// The element at place `i` and the one at `i + 16` of blocks with a nibble and a fifth bit each:
/// 32 fifth bits by place, then 16 bytes of nibbles.
@inline(__always)
private func fiveBits(_ nibbles: UInt8, _ fifths: UInt32, _ i: Int) -> (Int32, Int32) {
  let low = UInt32(nibbles & 15) | (fifths >> UInt32(i) & 1) << 4
  let high = UInt32(nibbles >> 4) | (fifths >> UInt32(i + 16) & 1) << 4
  return (Int32(low), Int32(high))
}

/// y = d · (q − 16) with q in 0...31: d, fifth bits, nibbles.
enum Q5Zero: GGUFBlock {
  static let id: UInt32 = 6
  static let name = "Q5_0"
  static let elements = 32
  static let bytes = 22

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let (scale, fifths) = (block.half(0), block.doubleWord(2))
    for i in 0..<16 {
      let (low, high) = fiveBits(block.byte(6 + i), fifths, i)
      target[i] = scale * Float(low - 16)
      target[i + 16] = scale * Float(high - 16)
    }
  }
}

/// y = d · q + m with q in 0...31: d, m, fifth bits, nibbles.
enum Q5One: GGUFBlock {
  static let id: UInt32 = 7
  static let name = "Q5_1"
  static let elements = 32
  static let bytes = 24

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    let (scale, offset) = (block.half(0), block.half(2))
    let fifths = block.doubleWord(4)
    for i in 0..<16 {
      let (low, high) = fiveBits(block.byte(8 + i), fifths, i)
      target[i] = scale * Float(low) + offset
      target[i + 16] = scale * Float(high) + offset
    }
  }
}
