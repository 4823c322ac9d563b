import Checkpoints
import Storage

/// The metadata of a GGUF file: values by keys such as "llama.block_count". Access is strict: a
/// value of another type than asked for is an error.
struct GGUFMetadata: Sendable {
  let file: MappedFile
  let values: [String: GGUFValue]

  /// Whether there is a value of that key.
  func has(_ key: String) -> Bool { values[key] != nil }

  /// A text; nil if the key is missing.
  func text(_ key: String) throws(CheckpointError) -> String? {
    guard let value = values[key] else { return nil }
    guard case .text(let range) = value else { throw problem(key, "a text") }
    return try file.string(in: range, key)
  }

  /// An integer; nil if the key is missing.
  func integer(_ key: String, in range: ClosedRange<Int>) throws(CheckpointError) -> Int? {
    guard let value = values[key] else { return nil }
    guard case .integer(let number) = value, range.contains(number) else {
      throw problem(key, "an integer in \(range)")
    }
    return number
  }

  /// True or false; nil if the key is missing.
  func flag(_ key: String) throws(CheckpointError) -> Bool? {
    guard let value = values[key] else { return nil }
    guard case .flag(let flag) = value else { throw problem(key, "true or false") }
    return flag
  }

  /// A list of texts; nil if the key is missing.
  func texts(_ key: String) throws(CheckpointError) -> [String]? {
    guard let list = try list(key, "a list of texts") else { return nil }
    guard list.type == .string else { throw problem(key, "a list of texts") }
    var reader = GGUFReader(file, offset: list.bytes.lowerBound)
    var texts: [String] = []
    texts.reserveCapacity(list.count)
    for index in 0..<list.count {
      let field = "\(key)[\(index)]"
      texts.append(try file.string(in: try reader.text(field), field))
    }
    return texts
  }

  /// A list of singles; nil if the key is missing.
  func singles(_ key: String) throws(CheckpointError) -> [Float]? {
    guard let list = try list(key, "a list of singles") else { return nil }
    guard list.type == .float32 else { throw problem(key, "a list of singles") }
    return (0..<list.count).map { Float(bitPattern: bits(list, $0)) }
  }

  /// A list of 32-bit integers; nil if the key is missing.
  func integers(_ key: String) throws(CheckpointError) -> [Int32]? {
    guard let list = try list(key, "a list of 32-bit integers") else { return nil }
    guard list.type == .int32 || list.type == .uint32 else {
      throw problem(key, "a list of 32-bit integers")
    }
    return (0..<list.count).map { Int32(bitPattern: bits(list, $0)) }
  }

  private func list(_ key: String, _ expected: String) throws(CheckpointError) -> GGUFList? {
    guard let value = values[key] else { return nil }
    guard case .list(let list) = value else { throw problem(key, expected) }
    return list
  }

  /// The 32 bits of an element of a list.
  private func bits(_ list: GGUFList, _ index: Int) -> UInt32 {
    UInt32(
      littleEndian: file.bytes.loadUnaligned(
        fromByteOffset: list.bytes.lowerBound + 4 * index, as: UInt32.self))
  }

  /// The error for a value that is missing or wrong.
  func problem(_ key: String, _ expected: String) -> CheckpointError {
    .damaged(path: file.path, field: key, found: shown(key), expected: expected)
  }

  /// A value as messages show it: numbers and short texts whole, others by their kind.
  private func shown(_ key: String) -> String {
    switch values[key] {
    case nil: return "nothing"
    case .integer(let value): return "\(value)"
    case .large(let value): return "\(value)"
    case .single(let value): return "\(value)"
    case .double(let value): return "\(value)"
    case .flag(let value): return "\(value)"
    case .text(let range):
      guard range.count <= 60, let text = try? file.string(in: range, key) else { return "a text" }
      return "'\(text)'"
    case .list(let list): return "a list of \(list.count)"
    }
  }
}

extension GGUFMetadata {
  /// The values whose keys begin with `prefix`, as JSON by the rest of their keys. Short lists of
  /// numbers come along, longer ones and lists of anything else do not.
  func members(under prefix: String) throws(CheckpointError) -> JSONObject {
    var object = JSONObject()
    for (key, value) in values.sorted(by: { $0.key < $1.key }) where key.hasPrefix(prefix) {
      object[String(key.dropFirst(prefix.count))] = try json(value, key)
    }
    return object
  }

  private func json(_ value: GGUFValue, _ key: String) throws(CheckpointError) -> JSONValue? {
    switch value {
    case .integer(let value): return .int(value)
    case .large(let value): return .number(Double(value))
    case .single(let value): return .number(Double(value))
    case .double(let value): return .number(value)
    case .flag(let value): return .bool(value)
    case .text(let range): return .string(try file.string(in: range, key))
    case .list(let list):
      guard list.count <= 1 << 16, list.type.byteCount != nil else { return nil }
      var reader = GGUFReader(file, offset: list.bytes.lowerBound)
      var elements: [JSONValue] = []
      for index in 0..<list.count {
        let element = try reader.value(list.type, "\(key)[\(index)]")
        elements.append(try json(element, key) ?? .null)
      }
      return .array(elements)
    }
  }
}
