/// Writes the fields of a Protocol Buffers message.
struct ProtocolBufferWriter {
  private(set) var message: [UInt8] = []

  mutating func varint(_ number: UInt64, _ value: UInt64) {
    put(number << 3)
    put(value)
  }

  mutating func bytes(_ number: UInt64, _ value: [UInt8]) {
    put(number << 3 | 2)
    put(UInt64(value.count))
    message += value
  }

  mutating func float(_ number: UInt64, _ value: Float) {
    put(number << 3 | 5)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { message += $0 }
  }

  /// A field as it was read.
  mutating func field(_ number: UInt64, _ value: ProtocolBufferReader.Value) {
    switch value {
    case .varint(let value): varint(number, value)
    case .bytes(let value): bytes(number, Array(value))
    case .fixed32(let bits): float(number, Float(bitPattern: bits))
    case .fixed64(let bits):
      put(number << 3 | 1)
      withUnsafeBytes(of: bits.littleEndian) { message += $0 }
    }
  }

  private mutating func put(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      message.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    message.append(UInt8(rest))
  }
}
