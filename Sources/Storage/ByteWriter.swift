/// Little-endian numbers, one after the other.
package struct ByteWriter {
  package var bytes: [UInt8] = []

  package init() {}

  package mutating func add(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  package mutating func add(_ value: Double) { add(value.bitPattern) }

  /// A count in four bytes.
  package mutating func addCount(_ count: Int) { add(UInt32(count)) }

  /// An object's text behind its length.
  package mutating func add(_ object: JSONObject) {
    let text = Array(JSONValue.object(object).encoded().utf8)
    addCount(text.count)
    bytes += text
  }
}
