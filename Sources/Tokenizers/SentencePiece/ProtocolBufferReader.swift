/// Reads the fields of one Protocol Buffers message with bounds checks and without a schema.
///
/// SentencePiece parses its model itself; this reader first checks the fields that SentencePiece
/// trusts, counts a file's pieces, and reads the flags that decide where a text may be cut.
struct ProtocolBufferReader {
  /// A field's payload by wire type.
  enum Value {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    /// A string, bytes or a nested message.
    case bytes(UnsafeRawBufferPointer)
  }

  private let message: UnsafeRawBufferPointer
  private var offset = 0

  init(_ message: UnsafeRawBufferPointer) { self.message = message }

  /// The next field in byte order; nil at the end of the message.
  /// - Throws: `TokenizerError.invalidModel` for a truncated or malformed field.
  mutating func next() throws(TokenizerError) -> (number: UInt64, value: Value)? {
    guard offset < message.count else { return nil }
    let tag = try varint()
    let number = tag >> 3
    guard number > 0, number < 1 << 29 else { throw malformed("field number \(number)") }
    switch tag & 7 {
    case 0: return (number, .varint(try varint()))
    case 1: return (number, .fixed64(try fixed(UInt64.self)))
    case 2:
      let length = try varint()
      guard length <= UInt64(message.count - offset) else {
        throw malformed("field \(number) of \(length) bytes, with \(message.count - offset) left")
      }
      defer { offset += Int(length) }
      return (number, .bytes(.init(rebasing: message[offset..<offset + Int(length)])))
    case 5: return (number, .fixed32(try fixed(UInt32.self)))
    default: throw malformed("wire type \(tag & 7) of field \(number)")
    }
  }

  private mutating func varint() throws(TokenizerError) -> UInt64 {
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard offset < message.count else { throw malformed("a number that is cut short") }
      let byte = message[offset]
      offset += 1
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
    }
    throw malformed("a number of more than ten bytes")
  }

  private mutating func fixed<Word: FixedWidthInteger>(
    _ type: Word.Type
  ) throws(TokenizerError) -> Word {
    guard message.count - offset >= MemoryLayout<Word>.size else {
      throw malformed("a number that is cut short")
    }
    defer { offset += MemoryLayout<Word>.size }
    return Word(littleEndian: message.loadUnaligned(fromByteOffset: offset, as: Word.self))
  }

  private func malformed(_ found: String) -> TokenizerError {
    .invalidModel(reason: "no Protocol Buffers message: found \(found) at byte \(offset) of it")
  }
}
