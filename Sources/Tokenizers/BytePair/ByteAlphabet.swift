/// The characters that stand for bytes in byte-level vocabularies (Radford et al. 2019): printable
/// ones of Latin-1 for themselves, all others by the characters from U+0100 on, in order.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? Unicode.Scalar(byte)
      }
    }
  }()

  /// The byte of each character, by its code point; −1 for a character that stands for none.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
    return bytes
  }()

  /// The bytes that a spelling stands for; nil if one of its characters stands for none.
  static func bytes(of spelling: some Sequence<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    for scalar in String(decoding: Array(spelling), as: UTF8.self).unicodeScalars {
      guard scalar.value < bytes.count, bytes[Int(scalar.value)] >= 0 else { return nil }
      result.append(UInt8(bytes[Int(scalar.value)]))
    }
    return result
  }

  /// How a vocabulary spells bytes.
  static func spelling(of bytes: some Sequence<UInt8>) -> [UInt8] {
    bytes.flatMap { Array(String(scalars[Int($0)]).utf8) }
  }
}
