import Storage
import Tensors

/// How values of one type are read from JSON, checked, described and written.
struct RecipeKind<Value> {
  /// The allowed values, as the end of "expected …".
  let expected: String
  /// Reads a value; reports a problem and returns nil if it is not allowed.
  let read: (JSONValue, _ keyPath: String, RecipeContext) -> Value?
  let write: (Value) -> JSONValue
  /// What is read, as a JSON Schema; it depends on the kind only.
  let schema: () -> JSONValue

  /// A kind composed of others, which reports problems itself.
  init(
    expected: String, schema: @autoclosure @escaping () -> JSONValue,
    read: @escaping (JSONValue, String, RecipeContext) -> Value?,
    write: @escaping (Value) -> JSONValue
  ) {
    self.expected = expected
    self.schema = schema
    self.read = read
    self.write = write
  }

  /// A kind without parts; `parse` returns nil for a value that is not allowed.
  /// - Parameter words: the allowed words, to suggest the nearest one.
  static func leaf(
    _ expected: String, schema: @autoclosure @escaping () -> JSONValue, words: [String] = [],
    _ parse: @escaping (JSONValue) -> Value?, write: @escaping (Value) -> JSONValue
  ) -> RecipeKind {
    RecipeKind(
      expected: expected, schema: schema(),
      read: { json, keyPath, context in
        if let value = parse(json) { return value }
        let suggestion = json.string.flatMap { nearest(to: $0, in: words) }
        context.report(
          keyPath, .mismatch(found: json.excerpt, expected: expected, suggestion: suggestion))
        return nil
      }, write: write)
  }
}

extension RecipeKind<Bool> {
  static var bool: RecipeKind {
    leaf("true or false", schema: ["type": "boolean"], { $0.bool }, write: { .bool($0) })
  }
}

extension RecipeKind<String> {
  static var string: RecipeKind {
    leaf("a string", schema: ["type": "string"], { $0.string }, write: { .string($0) })
  }

  static var nonEmptyString: RecipeKind {
    leaf(
      "a string that is not empty", schema: ["type": "string", "minLength": 1],
      { $0.string.flatMap { $0.isEmpty ? nil : $0 } },
      write: { .string($0) })
  }

  /// One of the given words.
  static func word(of words: [String]) -> RecipeKind {
    leaf(
      oneOf(words), schema: .enumeration(words), words: words,
      { $0.string.flatMap { words.contains($0) ? $0 : nil } },
      write: { .string($0) })
  }
}

/// "one of 'a', 'b'".
private func oneOf(_ words: [String]) -> String {
  "one of \(words.map { "'\($0)'" }.joined(separator: ", "))"
}

extension RecipeKind<Int> {
  static func integer(_ range: ClosedRange<Int>) -> RecipeKind {
    let text =
      range.upperBound == Int.max
      ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
    return leaf(
      "an integer \(text)",
      schema: [
        "type": "integer", "minimum": .int(range.lowerBound), "maximum": .int(range.upperBound),
      ],
      { $0.int.flatMap { range.contains($0) ? $0 : nil } }, write: { .int($0) })
  }
}

/// An interval of real numbers; each end may be included or excluded.
struct Interval: CustomStringConvertible {
  let lower: Double
  let upper: Double
  var includesLower = true
  var includesUpper = true

  func contains(_ value: Double) -> Bool {
    (includesLower ? value >= lower : value > lower)
      && (includesUpper ? value <= upper : value < upper)
  }

  /// The interval in mathematical notation: "(0, 1]".
  var description: String {
    func text(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
    return
      "\(includesLower ? "[" : "(")\(text(lower)), \(text(upper))\(includesUpper ? "]" : ")")"
  }

  /// (0, 1], the range of a share.
  static let share = Interval(lower: 0, upper: 1, includesLower: false)
}

extension RecipeKind<Double> {
  static func number(_ interval: Interval) -> RecipeKind {
    leaf(
      "a number in \(interval)", schema: interval.schema,
      { $0.double.flatMap { interval.contains($0) ? $0 : nil } },
      write: { .number($0) })
  }
}

extension RecipeKind<RecipePath> {
  /// A path, resolved against the recipe's folder and written as an absolute path.
  static var path: RecipeKind {
    let text = RecipeKind<String>.leaf(
      "a path", schema: ["type": "string", "minLength": 1, "pattern": "^[^\\u0000]*$"],
      { $0.string.flatMap { $0.isEmpty || $0.contains("\0") ? nil : $0 } },
      write: { .string($0) })
    return RecipeKind(
      expected: text.expected, schema: text.schema(),
      read: { json, keyPath, context in
        text.read(json, keyPath, context).map { RecipePath($0, relativeTo: context.folder) }
      }, write: { .string($0.absolute) })
  }
}

extension RecipeKind<[RecipePath]> {
  /// A list of at least one path; a single path is read as a list of one.
  static var paths: RecipeKind {
    let list = RecipeKind.list(RecipeKind<RecipePath>.path, minimum: 1)
    return RecipeKind(
      expected: "a list of files, folders or globs",
      schema: .anyOf([RecipeKind<RecipePath>.path.schema(), list.schema()]),
      read: { json, keyPath, context in
        json.string == nil
          ? list.read(json, keyPath, context)
          : RecipeKind<RecipePath>.path.read(json, keyPath, context).map { [$0] }
      }, write: list.write)
  }
}

extension RecipeKind {
  /// A word for each case of an enumeration.
  static func choice() -> RecipeKind
  where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    let words = Value.allCases.map(\.rawValue)
    return leaf(
      oneOf(words), schema: .enumeration(words), words: words,
      { $0.string.flatMap { Value(rawValue: $0) } },
      write: { .string($0.rawValue) })
  }

  /// A list; every invalid entry is reported.
  static func list<Element>(_ kind: RecipeKind<Element>, minimum: Int = 0) -> RecipeKind
  where Value == [Element] {
    let expected = "a list of " + (minimum > 0 ? "at least \(minimum), each " : "") + kind.expected
    return RecipeKind(
      expected: expected,
      schema: ["type": "array", "items": kind.schema(), "minItems": .int(minimum)],
      read: { json, keyPath, context in
        guard let elements = json.array, elements.count >= minimum else {
          context.report(
            keyPath, .mismatch(found: json.excerpt, expected: expected, suggestion: nil))
          return nil
        }
        let values = elements.indices.map {
          kind.read(elements[$0], "\(keyPath)[\($0)]", context)
        }
        return values.contains { $0 == nil } ? nil : values.compactMap { $0 }
      }, write: { .array($0.map(kind.write)) })
  }

  /// `null`, or another kind.
  static func optional<Wrapped>(_ kind: RecipeKind<Wrapped>) -> RecipeKind
  where Value == Wrapped? {
    let expected = "\(kind.expected), or null"
    return RecipeKind(
      expected: expected, schema: .anyOf([kind.schema(), ["type": "null"]]),
      read: { json, keyPath, context in
        json.isNull ? .some(nil) : kind.read(json, keyPath, context).map { .some($0) }
      }, write: { $0.map(kind.write) ?? .null })
  }

  /// An object; absent keys keep the values of `initial`.
  static func section(_ initial: Value) -> RecipeKind where Value: RecipeSection {
    RecipeKind(
      expected: "an object", schema: initial.schema,
      read: { json, keyPath, context in
        guard let object = json.object else {
          context.report(
            keyPath, .mismatch(found: json.excerpt, expected: "an object", suggestion: nil))
          return nil
        }
        let fields = RecipeFields(object, at: keyPath, context)
        var value = initial
        value.visit(fields)
        fields.finish()
        return value
      }, write: { $0.json })
  }
}

extension JSONValue {
  /// The value as messages quote it: as JSON, or its kind if that is too long.
  var excerpt: String {
    switch self {
    case .array(let elements) where elements.isEmpty: "an empty list"
    case .object(let object) where object.isEmpty: "an empty object"
    case .array, .object: kind
    case .null, .bool, .int, .number: encoded()
    case .string(let text):
      text.count <= 60 ? encoded() : JSONValue.string("\(text.prefix(60))…").encoded()
    }
  }
}
