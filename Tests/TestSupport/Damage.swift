import Checkpoints
import Storage
import Tensors
import Testing

/// What an attempt ended with, for tests that damage files.
public func failure(_ body: () throws -> Void) -> (any Failure)? {
  do {
    try body()
    return nil
  } catch {
    guard let failure = error as? any Failure else {
      Issue.record("not a failure of ours: \(error)")
      return nil
    }
    return failure
  }
}

/// Expects that opening damaged bytes fails as bad data.
public func expectBadData(
  _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  guard let failure = failure(body) else {
    Issue.record("\(what) was accepted", sourceLocation: sourceLocation)
    return
  }
  #expect(
    failure.category == .badData, "\(what): \(failure.description)",
    sourceLocation: sourceLocation)
}

/// A tensor file taken apart, so that a test can change a part and seal it again with the right
/// hash: then the checks behind the hash have to find the damage.
public struct TensorFileParts {
  public var magic: [UInt8]
  public var version: UInt32
  public var header: [UInt8]
  public var data: [UInt8]

  public init(_ bytes: [UInt8]) {
    magic = Array(bytes[..<8])
    version = UInt32(bytes[8])
    let length = bytes[16..<24].reversed().reduce(0) { $0 << 8 | Int($1) }
    header = Array(bytes[64..<(64 + length)])
    data = Array(bytes[((64 + length + 63) / 64 * 64)...])
  }

  /// The header as JSON.
  public var json: JSONValue {
    get { (try? JSONValue.decode(header, source: "header")) ?? .null }
    set { header = Array(newValue.encoded().utf8) }
  }

  /// The file, with lengths and hash as they should be.
  public var sealed: [UInt8] {
    let padding = [UInt8](repeating: 0, count: (64 - header.count % 64) % 64)
    let rest = header + padding + data
    var bytes = magic
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes += Array($0) }
    }
    append(version)
    append(UInt32(0))
    append(UInt64(header.count))
    append(UInt64(64 + rest.count))
    return bytes + ContentHash.digest(rest) + rest
  }
}

extension JSONValue {
  /// A copy with the member at a path of keys and indices replaced, or removed for nil.
  public func replacing(_ path: [String], with value: JSONValue?) -> JSONValue {
    guard let first = path.first else { return value ?? .null }
    let rest = Array(path.dropFirst())
    if var object {
      object[first] = rest.isEmpty ? value : (object[first] ?? [:]).replacing(rest, with: value)
      return .object(object)
    }
    if var array, let index = Int(first), array.indices.contains(index) {
      if rest.isEmpty, value == nil {
        array.remove(at: index)
      } else {
        array[index] = array[index].replacing(rest, with: value)
      }
      return .array(array)
    }
    return self
  }
}
