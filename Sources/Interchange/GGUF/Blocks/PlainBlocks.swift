import Tensors

// Elements that stand for themselves: blocks of one.

/// IEEE 754 singles.
enum F32Block: GGUFBlock {
  static let id: UInt32 = 0
  static let name = "F32"
  static let elements = 1
  static let bytes = 4

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    target[0] = Float(bitPattern: block.doubleWord(0))
  }
}

/// IEEE 754 halves.
enum F16Block: GGUFBlock {
  static let id: UInt32 = 1
  static let name = "F16"
  static let elements = 1
  static let bytes = 2

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    target[0] = block.half(0)
  }
}

/// The upper halves of singles.
enum BF16Block: GGUFBlock {
  static let id: UInt32 = 30
  static let name = "BF16"
  static let elements = 1
  static let bytes = 2

  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>) {
    target[0] = float(bfloat16Bits: block.word(0))
  }
}
