import Storage

/// A value that one part of the program writes as JSON and another part, or a script, reads by key.
///
/// Keys and words belong to the file formats and do not change. When reading, unknown keys are
/// ignored and missing ones get defaults, so that files of other versions can be read.
public protocol JSONRecord: Hashable, Sendable {
  /// Nil if a member is missing that the record makes no sense without.
  init?(_ json: JSONValue)

  /// The record with its keys in their fixed order.
  var json: JSONValue { get }
}

extension JSONRecord {
  /// Writes the record to its own file, indented for readability.
  ///
  /// - Throws: `StorageError` if the file can't be written.
  public func write(to path: String) throws(StorageError) {
    try AtomicFile.write(Array((json.encoded(.pretty) + "\n").utf8), to: path)
  }

  /// Reads a file with one record; nil if it is missing, damaged or of another kind.
  public init?(file path: String) {
    guard let json = try? JSONValue.read(path: path), let record = Self(json) else { return nil }
    self = record
  }
}

// JSON of optional values, and members with defaults.
extension JSONValue {
  /// A number; null for nil and for non-finite values.
  static func optional(_ value: Double?) -> JSONValue {
    value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
  }

  /// An integer; null for nil.
  static func optional(_ value: Int?) -> JSONValue { value.map { .int($0) } ?? .null }

  /// A string; null for nil.
  static func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

  /// An object of numbers, sorted by key.
  static func shares(_ shares: [String: Double]) -> JSONValue {
    .object(JSONObject(shares.sorted { $0.key < $1.key }.map { ($0.key, .number($0.value)) }))
  }

  /// The member as an integer; 0 if it is missing.
  func int(_ key: String) -> Int { self[key]?.int ?? 0 }

  /// The member as a number; 0 where it is missing.
  func double(_ key: String) -> Double { self[key]?.double ?? 0 }

  /// The member as a string; empty if it is missing.
  func string(_ key: String) -> String { self[key]?.string ?? "" }

  /// The member as a boolean; false if it is missing.
  func bool(_ key: String) -> Bool { self[key]?.bool ?? false }

  /// The member's numbers by key; nil if it is not an object.
  func shares(_ key: String) -> [String: Double]? {
    guard let members = self[key]?.object?.members else { return nil }
    return Dictionary(
      members.compactMap { member in member.value.double.map { (member.key, $0) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// The elements of the member's list that decode as records of the given type.
  func records<Element: JSONRecord>(_ key: String) -> [Element] {
    (self[key]?.array ?? []).compactMap(Element.init)
  }
}
