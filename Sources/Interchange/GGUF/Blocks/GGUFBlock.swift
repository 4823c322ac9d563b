import Tensors

/// A way of storing elements in GGUF files: blocks of equally many elements that have scales of
/// their own. A row of a tensor is a whole number of blocks.
///
/// Layouts and values are ggml's (`ggml-common.h`, `ggml-quants.c`). Every product and sum is
/// rounded to f32 in ggml's order, so that values agree with other readers' bit for bit.
protocol GGUFBlock: SendableMetatype {
  /// The number that stands for the type in files.
  static var id: UInt32 { get }
  /// ggml's name of the type.
  static var name: String { get }
  /// Elements of one block.
  static var elements: Int { get }
  /// Bytes of one block.
  static var bytes: Int { get }
  /// Writes the values of a block, which need not be aligned.
  static func widen(_ block: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>)
}

extension GGUFBlock {
  /// Writes the values of `count` blocks that follow each other.
  static func widen(
    _ count: Int, _ blocks: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<count {
      widen(blocks + index * bytes, into: target + index * elements)
    }
  }

  /// The type as a value.
  static var type: GGUFElementType {
    GGUFElementType(
      id: id, name: name, blockElements: elements, blockBytes: bytes,
      widen: { widen($0, $1, into: $2) })
  }
}

extension UnsafeRawPointer {
  /// The byte at an offset.
  @inline(__always) func byte(_ offset: Int) -> UInt8 {
    load(fromByteOffset: offset, as: UInt8.self)
  }

  /// The half at an offset, as a single.
  @inline(__always) func half(_ offset: Int) -> Float { float(halfBits: word(offset)) }

  /// The 16 bits at an offset.
  @inline(__always) func word(_ offset: Int) -> UInt16 {
    UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// The 32 bits at an offset.
  @inline(__always) func doubleWord(_ offset: Int) -> UInt32 {
    UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
}
