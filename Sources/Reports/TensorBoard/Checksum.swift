/// CRC-32C (Castagnoli), as TFRecord files check their lengths and contents (RFC 3720, appendix B.4).
enum Checksum {
  /// Remainders of single bytes by the reversed polynomial 0x1EDC6F41.
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
  }

  /// The checksum of some bytes.
  static func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { sum, byte in sum >> 8 ^ table[Int(sum & 0xFF ^ UInt32(byte))] }
  }

  /// The checksum as TFRecord stores it: turned and moved, so that the checksum of bytes that hold
  /// checksums is no special one.
  static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let sum = crc32c(bytes)
    return (sum >> 15 | sum << 17) &+ 0xA282_EAD8
  }
}
