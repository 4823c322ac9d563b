import Storage

/// Strict access to the members of another program's model configuration.
public struct ConfigurationFields: Sendable {
  private let object: JSONObject
  /// The object's path within the file; empty for the file's top level.
  private let place: String

  public init(_ object: JSONObject, place: String = "") {
    self.object = object
    self.place = place
  }

  /// A member; nil if it is missing or null.
  public subscript(key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  /// Whether the member is present, null or not.
  public func has(_ key: String) -> Bool { object[key] != nil }

  /// A member that is a positive count.
  public func extent(_ key: String) throws(ConfigurationError) -> Int {
    try int(key, in: 1...(1 << 31))
  }

  public func optionalExtent(_ key: String) throws(ConfigurationError) -> Int? {
    self[key] == nil ? nil : try extent(key)
  }

  public func int(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
    guard let value = object[key]?.int, range.contains(value) else {
      throw damaged(
        key,
        "an integer " + (range.upperBound == .max ? "from \(range.lowerBound)" : "in \(range)"))
    }
    return value
  }

  public func number(_ key: String) throws(ConfigurationError) -> Double {
    guard let value = object[key]?.double else { throw damaged(key, "a number") }
    return value
  }

  public func optionalNumber(_ key: String) throws(ConfigurationError) -> Double? {
    self[key] == nil ? nil : try number(key)
  }

  public func string(_ key: String) throws(ConfigurationError) -> String {
    guard let value = object[key]?.string else { throw damaged(key, "a string") }
    return value
  }

  public func flag(_ key: String, default value: Bool) throws(ConfigurationError) -> Bool {
    guard let found = self[key] else { return value }
    guard let flag = found.bool else { throw damaged(key, "true or false") }
    return flag
  }

  /// The object under a key.
  public func fields(_ key: String) throws(ConfigurationError) -> ConfigurationFields {
    guard let value = object[key]?.object else { throw damaged(key, "an object") }
    return ConfigurationFields(value, place: name(key))
  }

  /// The error for a member that is missing or wrong.
  public func damaged(_ key: String, _ expected: String) -> ConfigurationError {
    .damaged(field: name(key), found: Self.shown(object[key]), expected: expected)
  }

  /// The error for a member that asks for what is not implemented.
  public func unsupported(
    _ key: String, found: JSONValue? = nil, _ expected: String
  ) -> ConfigurationError {
    .unsupported(
      field: name(key), found: Self.shown(found ?? object[key]), expected: expected)
  }

  private func name(_ key: String) -> String { place.isEmpty ? key : "\(place).\(key)" }

  /// A value as error messages show it: short ones whole, long ones by their kind.
  private static func shown(_ value: JSONValue?) -> String {
    guard let value else { return "nothing" }
    switch value {
    case .array, .object: return value.kind
    default:
      let text = value.encoded()
      return text.utf8.count <= 60 ? text : value.kind
    }
  }
}
