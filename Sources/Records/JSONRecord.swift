import Storage

/// A value that one part of the program writes as JSON and another one, or a script, reads by keys.
///
/// Keys and words are those of the file formats: they stay. Reading passes over keys that it does not
/// know and takes the default of those that are missing, so that files of other versions are read.
public protocol JSONRecord: Hashable, Sendable {
  /// Nil where something is missing that the record means nothing without.
  init?(_ json: JSONValue)

  /// The record with its keys in their fixed order.
  var json: JSONValue { get }
}

extension JSONRecord {
  /// Writes the record as a file of its own, for people to read too.
  ///
  /// - Throws: `StorageError` if the file can't be written.
  public func write(to path: String) throws(StorageError) {
    try AtomicFile.write(Array((json.encoded(.pretty) + "\n").utf8), to: path)
  }

  /// Reads a file that holds one record; nil for one that is missing, damaged or of something else.
  public init?(file path: String) {
    guard let json = try? JSONValue.read(path: path), let record = Self(json) else { return nil }
    self = record
  }
}

// How records spell what may be missing.
extension JSONValue {
  /// A number, or null for nil and for what is not finite.
  static func optional(_ value: Double?) -> JSONValue {
    value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
  }

  /// A whole number, or null for nil.
  static func optional(_ value: Int?) -> JSONValue { value.map { .int($0) } ?? .null }

  /// A text, or null for nil.
  static func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

  /// An object of numbers, in the order of the keys.
  static func shares(_ shares: [String: Double]) -> JSONValue {
    .object(JSONObject(shares.sorted { $0.key < $1.key }.map { ($0.key, .number($0.value)) }))
  }

  /// The member as a whole number; 0 where it is missing.
  func int(_ key: String) -> Int { self[key]?.int ?? 0 }

  /// The member as a number; 0 where it is missing.
  func double(_ key: String) -> Double { self[key]?.double ?? 0 }

  /// The member as text; empty where it is missing.
  func string(_ key: String) -> String { self[key]?.string ?? "" }

  /// The member as a truth value; false where it is missing.
  func bool(_ key: String) -> Bool { self[key]?.bool ?? false }

  /// The member's numbers by key; nil where it is no object.
  func shares(_ key: String) -> [String: Double]? {
    guard let members = self[key]?.object?.members else { return nil }
    return Dictionary(
      members.compactMap { member in member.value.double.map { (member.key, $0) } },
      uniquingKeysWith: { first, _ in first })
  }

  /// The elements of a list that are records of a type.
  func records<Element: JSONRecord>(_ key: String) -> [Element] {
    (self[key]?.array ?? []).compactMap(Element.init)
  }
}
