import Storage

/// A `key=value` argument, applied to a recipe's JSON before decoding.
struct RecipeOverride {
  /// The argument as given, for messages.
  let text: String
  /// The part before the first `=`.
  let path: String
  private let steps: [Step]
  private let value: JSONValue

  private enum Step {
    case key(String)
    case index(Int)
  }

  /// Parses an argument. The value is JSON if it parses as JSON, otherwise a string.
  /// - Throws: `OverrideProblem` for an argument without `=` or with a malformed path.
  init(_ text: String) throws(OverrideProblem) {
    guard let equals = text.firstIndex(of: "=") else {
      throw OverrideProblem(text, .invalid(reason: "is no override; expected key=value"))
    }
    let raw = String(text[text.index(after: equals)...])
    self.text = text
    path = String(text[..<equals])
    value = (try? JSONValue.decode(raw, source: "override", .relaxed)) ?? .string(raw)
    guard let steps = RecipeOverride.steps(path) else {
      throw OverrideProblem(
        path, .invalid(reason: "is no key path; expected a form like compare[0].rank"), text)
    }
    self.steps = steps
  }

  /// Sets the value at the path, creating missing objects along it.
  func apply(to json: inout JSONValue) throws(OverrideProblem) {
    try set(steps[...], in: &json, at: "")
  }

  private func set(
    _ steps: ArraySlice<Step>, in json: inout JSONValue, at place: String
  ) throws(OverrideProblem) {
    guard let step = steps.first else {
      json = value
      return
    }
    switch step {
    case .key(let key):
      var object = JSONObject()
      if let existing = json.object {
        object = existing
      } else if !json.isNull {
        throw problem("\(place) is \(json.excerpt), which has no keys")
      }
      var child = object[key] ?? .null
      try set(steps.dropFirst(), in: &child, at: join(place, key))
      object[key] = child
      json = .object(object)
    case .index(let index):
      let elements = json.isNull ? [] : json.array
      guard var elements else { throw problem("\(place) is \(json.excerpt), not a list") }
      guard elements.indices.contains(index) else {
        let count = elements.count
        throw problem(
          "\(place) has \(count == 0 ? "no entries" : count == 1 ? "1 entry" : "\(count) entries")"
        )
      }
      try set(steps.dropFirst(), in: &elements[index], at: "\(place)[\(index)]")
      json = .array(elements)
    }
  }

  private func problem(_ reason: String) -> OverrideProblem {
    OverrideProblem(path, .invalid(reason: "can't be set: \(reason)"), text)
  }

  /// `compare[0].rank` → key compare, index 0, key rank; nil for a malformed path or one deeper
  /// than the JSON nesting limit.
  private static func steps(_ path: String) -> [Step]? {
    var steps: [Step] = []
    for part in path.split(separator: ".", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
      guard let key = pieces.first, !key.isEmpty else { return nil }
      steps.append(.key(String(key)))
      for piece in pieces.dropFirst() {
        guard piece.hasSuffix("]"), let index = Int(piece.dropLast()), index >= 0 else {
          return nil
        }
        steps.append(.index(index))
      }
    }
    return steps.count <= JSONValue.depthLimit ? steps : nil
  }
}

/// What is wrong with an override.
struct OverrideProblem: Error {
  let problem: RecipeProblem

  init(_ keyPath: String, _ kind: RecipeProblem.Kind, _ text: String? = nil) {
    problem = RecipeProblem(keyPath, kind, override: text)
  }
}
