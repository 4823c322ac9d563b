import Storage

/// Strict access to an object's members in a file's header: every error names the file, the field,
/// the value found and the value expected.
package struct JSONFields {
  package let path: String
  /// The object's place in the header, such as `tensors[3]`; empty for the header itself.
  package let place: String
  package let object: JSONObject

  package init(_ object: JSONObject, path: String, place: String = "") {
    self.object = object
    self.path = path
    self.place = place
  }

  package init(_ value: JSONValue, path: String, place: String) throws(CheckpointError) {
    guard let object = value.object else {
      throw .damaged(path: path, field: place, found: value.kind, expected: "an object")
    }
    self.init(object, path: path, place: place)
  }

  package func name(_ key: String) -> String { place.isEmpty ? key : "\(place).\(key)" }

  /// Rejects members whose keys are not in `keys`.
  package func allow(_ keys: [String]) throws(CheckpointError) {
    if let other = object.keys.first(where: { !keys.contains($0) }) {
      throw .damaged(
        path: path, field: name(other), found: "an unknown key",
        expected: "one of \(keys.joined(separator: ", "))")
    }
  }

  package func value(_ key: String) throws(CheckpointError) -> JSONValue {
    guard let value = object[key] else { throw problem(key, nil, "a value") }
    return value
  }

  /// An integer within `range`.
  package func int(
    _ key: String, in range: ClosedRange<Int> = 0...Int.max
  ) throws(CheckpointError) -> Int {
    guard let value = object[key]?.int, range.contains(value) else {
      let bounds =
        range.upperBound == .max ? "from \(range.lowerBound)" : "in \(range)"
      throw problem(key, object[key], "an integer \(bounds)")
    }
    return value
  }

  package func double(_ key: String) throws(CheckpointError) -> Double {
    guard let value = object[key]?.double else { throw problem(key, object[key], "a number") }
    return value
  }

  package func bool(_ key: String) throws(CheckpointError) -> Bool {
    guard let value = object[key]?.bool else { throw problem(key, object[key], "true or false") }
    return value
  }

  package func string(_ key: String) throws(CheckpointError) -> String {
    guard let value = object[key]?.string else { throw problem(key, object[key], "a string") }
    return value
  }

  package func array(_ key: String) throws(CheckpointError) -> [JSONValue] {
    guard let value = object[key]?.array else { throw problem(key, object[key], "a list") }
    return value
  }

  package func fields(_ key: String) throws(CheckpointError) -> JSONFields {
    guard let value = object[key]?.object else { throw problem(key, object[key], "an object") }
    return JSONFields(value, path: path, place: name(key))
  }

  /// The objects of a list.
  package func list(_ key: String) throws(CheckpointError) -> [JSONFields] {
    var result: [JSONFields] = []
    for (index, value) in try array(key).enumerated() {
      result.append(try JSONFields(value, path: path, place: "\(name(key))[\(index)]"))
    }
    return result
  }

  package func problem(_ key: String, _ found: JSONValue?, _ expected: String) -> CheckpointError {
    .damaged(
      path: path, field: name(key), found: Self.shown(found), expected: expected)
  }

  /// A value as messages quote it: in full if short, else by its kind.
  package static func shown(_ value: JSONValue?) -> String {
    guard let value else { return "nothing" }
    switch value {
    case .array, .object: return value.kind
    default:
      let text = value.encoded()
      return text.utf8.count <= 60 ? text : value.kind
    }
  }
}
