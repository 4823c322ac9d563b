/// Reads little-endian numbers from raw bytes in sequence; every read is bounds-checked.
public struct ByteReader {
  /// Name of the bytes in messages: usually the path.
  public let source: String
  /// Index of the next byte.
  public private(set) var offset: Int
  private let bytes: UnsafeRawBufferPointer

  /// A reader over `bytes`, which must outlive it.
  public init(_ bytes: UnsafeRawBufferPointer, source: String, offset: Int = 0) {
    precondition((0...bytes.count).contains(offset), "a reader that starts outside its bytes")
    self.bytes = bytes
    self.source = source
    self.offset = offset
  }

  /// Bytes left.
  public var remaining: Int { bytes.count - offset }

  /// The next integer.
  /// - Throws: `StorageError.truncated`.
  public mutating func integer<T: FixedWidthInteger>(
    _ type: T.Type, _ field: String
  ) throws(StorageError) -> T {
    let raw = try slice(MemoryLayout<T>.size, field)
    return T(littleEndian: raw.loadUnaligned(as: T.self))
  }

  /// The next IEEE 754 single.
  /// - Throws: `StorageError.truncated`.
  public mutating func float(_ field: String) throws(StorageError) -> Float {
    Float(bitPattern: try integer(UInt32.self, field))
  }

  /// The next `count` bytes, not copied.
  /// - Throws: `StorageError.truncated`, also for a negative count.
  public mutating func slice(
    _ count: Int, _ field: String
  ) throws(StorageError) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else {
      throw .truncated(
        source: source, field: field, offset: offset, needed: count, available: remaining)
    }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
  }

  /// Skips `count` bytes.
  /// - Throws: `StorageError.truncated`.
  public mutating func skip(_ count: Int, _ field: String) throws(StorageError) {
    _ = try slice(count, field)
  }
}
