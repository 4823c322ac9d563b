/// A Protocol Buffers message in its wire format: fields in the order they are added.
struct WireMessage {
  private(set) var bytes: [UInt8] = []

  /// Wire types, the low three bits of a field's key.
  private enum Form: UInt64 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func key(_ field: UInt64, _ form: Form) { varint(field << 3 | form.rawValue) }

  mutating func add(_ field: UInt64, _ value: Int64) {
    key(field, .varint)
    varint(UInt64(bitPattern: value))
  }

  mutating func add(_ field: UInt64, _ value: Double) {
    key(field, .fixed64)
    bytes += littleEndianBytes(value.bitPattern)
  }

  mutating func add(_ field: UInt64, _ value: Float) {
    key(field, .fixed32)
    bytes += littleEndianBytes(value.bitPattern)
  }

  mutating func add(_ field: UInt64, _ text: String) {
    key(field, .lengthDelimited)
    varint(UInt64(text.utf8.count))
    bytes += text.utf8
  }

  mutating func add(_ field: UInt64, _ message: WireMessage) {
    key(field, .lengthDelimited)
    varint(UInt64(message.bytes.count))
    bytes += message.bytes
  }
}

func littleEndianBytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
