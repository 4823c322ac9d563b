import Checkpoints
import Storage

/// Reads a GGUF file's header in sequence: every length is checked against the bytes that are left
/// before it is used. Errors are `CheckpointError`s that name the field.
struct GGUFReader {
  let file: MappedFile
  private var reader: ByteReader

  /// Lists of lists of lists … in metadata.
  private static let maximumDepth = 4

  init(_ file: MappedFile, offset: Int = 0) {
    self.file = file
    reader = ByteReader(file.bytes, source: file.path, offset: offset)
  }

  /// Index of the next byte in the file.
  var offset: Int { reader.offset }

  /// The next integer.
  mutating func integer<T: FixedWidthInteger>(
    _ type: T.Type, _ field: String
  ) throws(CheckpointError) -> T {
    do { return try reader.integer(type, field) } catch { throw .storage(error) }
  }

  /// The next 64-bit count of things that take at least `unit` bytes each.
  mutating func count(
    unit: Int, limit: Int = .max, _ field: String
  ) throws(CheckpointError) -> Int {
    let value = try integer(UInt64.self, field)
    let room = min(limit, reader.remaining / unit)
    guard value <= UInt64(room) else {
      throw .damaged(
        path: file.path, field: field, found: "\(value)",
        expected: room == limit
          ? "at most \(limit)" : "at most \(room), for which the file has room")
    }
    return Int(value)
  }

  /// The place of the next text.
  mutating func text(limit: Int = .max, _ field: String) throws(CheckpointError) -> Range<Int> {
    let length = try count(unit: 1, limit: limit, "length of \(field)")
    return try bytes(length, field)
  }

  /// The next text, as a string.
  mutating func string(limit: Int, _ field: String) throws(CheckpointError) -> String {
    try file.string(in: try text(limit: limit, field), field)
  }

  /// The place of the next `count` bytes.
  private mutating func bytes(_ count: Int, _ field: String) throws(CheckpointError) -> Range<Int> {
    let start = reader.offset
    do { try reader.skip(count, field) } catch { throw .storage(error) }
    return start..<reader.offset
  }

  /// The next number of a type of values.
  mutating func type(_ field: String) throws(CheckpointError) -> GGUFValueType {
    let number = try integer(UInt32.self, "type of \(field)")
    guard let type = GGUFValueType(rawValue: number) else {
      throw .damaged(
        path: file.path, field: "type of \(field)", found: "\(number)", expected: "0 to 12")
    }
    return type
  }

  /// The next value of a type.
  mutating func value(
    _ type: GGUFValueType, _ field: String, depth: Int = 0
  ) throws(CheckpointError) -> GGUFValue {
    switch type {
    case .uint8: return .integer(Int(try integer(UInt8.self, field)))
    case .int8: return .integer(Int(try integer(Int8.self, field)))
    case .uint16: return .integer(Int(try integer(UInt16.self, field)))
    case .int16: return .integer(Int(try integer(Int16.self, field)))
    case .uint32: return .integer(Int(try integer(UInt32.self, field)))
    case .int32: return .integer(Int(try integer(Int32.self, field)))
    case .int64: return .integer(Int(try integer(Int64.self, field)))
    case .uint64:
      let value = try integer(UInt64.self, field)
      return Int(exactly: value).map { .integer($0) } ?? .large(value)
    case .float32: return .single(Float(bitPattern: try integer(UInt32.self, field)))
    case .float64: return .double(Double(bitPattern: try integer(UInt64.self, field)))
    case .bool: return .flag(try flag(field))
    case .string: return .text(try text(field))
    case .array: return .list(try list(field, depth: depth))
    }
  }

  private mutating func flag(_ field: String) throws(CheckpointError) -> Bool {
    let byte = try integer(UInt8.self, field)
    guard byte <= 1 else {
      throw .damaged(path: file.path, field: field, found: "\(byte)", expected: "0 or 1")
    }
    return byte == 1
  }

  /// The next list, whose elements are passed over, not kept.
  private mutating func list(_ field: String, depth: Int) throws(CheckpointError) -> GGUFList {
    guard depth < Self.maximumDepth else {
      throw .damaged(
        path: file.path, field: field, found: "lists in lists, \(depth + 1) deep or deeper",
        expected: "at most \(Self.maximumDepth)")
    }
    let type = try type("elements of \(field)")
    // A text is at least its length, a list its type and count.
    let unit = type.byteCount ?? (type == .string ? 8 : 12)
    let count = try count(unit: unit, "number of elements of \(field)")
    let start = reader.offset
    if type.byteCount != nil {
      _ = try bytes(count * unit, field)
    } else {
      for _ in 0..<count { _ = try value(type, "an element of \(field)", depth: depth + 1) }
    }
    return GGUFList(type: type, count: count, bytes: start..<reader.offset)
  }
}

extension MappedFile {
  /// The text at a place in the file, which must be UTF-8.
  func string(in range: Range<Int>, _ field: String) throws(CheckpointError) -> String {
    guard let text = String(validating: bytes[range], as: UTF8.self) else {
      throw .damaged(
        path: path, field: field, found: "bytes that are not UTF-8", expected: "text in UTF-8")
    }
    return text
  }
}
