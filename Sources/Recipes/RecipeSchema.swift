import Storage

/// A form of a section: which keys it has under a condition.
struct RecipeForm {
  /// A JSON Schema that a section of this form fits, and no other form's; nil where there is only one.
  var condition: JSONValue?
  /// A section whose visit names the form's keys.
  var section: any RecipeSection
  /// A section with the keys' defaults; nil for that section.
  var defaults: (any RecipeSection)?
  /// Beyond the single keys.
  var conditions: [JSONValue] = []
}

extension RecipeSection {
  var forms: [RecipeForm] { [RecipeForm(section: self)] }

  var conditions: [JSONValue] { [] }

  /// What is read as this section, as a JSON Schema. Each key's description is what messages say of
  /// it, and its default the section's value.
  var schema: JSONValue {
    let forms = forms
    guard forms.count > 1 else {
      return .object(
        Self.object(of: self, defaults: nil, allOf: (forms.first?.conditions ?? []) + conditions))
    }
    let choices = forms.map { form -> JSONValue in
      [
        "if": form.condition ?? true,
        "then": .object(
          Self.object(of: form.section, defaults: form.defaults, allOf: form.conditions)),
      ]
    }
    let fields = RecipeFields()
    var copy = self
    copy.visit(fields)
    var schema: JSONObject = ["type": "object"]
    if !fields.requiredKeys.isEmpty { schema["required"] = .strings(fields.requiredKeys) }
    schema["allOf"] = .array(choices + conditions)
    return .object(schema)
  }

  private static func object(
    of section: any RecipeSection, defaults: (any RecipeSection)?, allOf: [JSONValue]
  ) -> JSONObject {
    let fields = RecipeFields()
    var section = section
    section.visit(fields)
    let values = (defaults ?? section).json
    var properties = JSONObject()
    for (key, expected, schema) in fields.schemas {
      var property: JSONObject = ["description": .string(expected)]
      for member in schema().object?.members ?? [] { property[member.key] = member.value }
      // A required key has no default, and what a section writes is of its own keys.
      if !fields.requiredKeys.contains(key), let value = values[key], value.object == nil {
        property["default"] = value
      }
      properties[key] = .object(property)
    }
    var object: JSONObject = ["type": "object", "properties": .object(properties)]
    if !fields.requiredKeys.isEmpty { object["required"] = .strings(fields.requiredKeys) }
    object["additionalProperties"] = false
    let apart = fields.exclusive.map { first, second -> JSONValue in
      ["not": ["required": .strings([first, second])]]
    }
    if !(allOf + apart).isEmpty { object["allOf"] = .array(apart + allOf) }
    return object
  }
}

extension Recipe {
  /// What a recipe's file may hold, as a JSON Schema of the draft 2020-12, made of the very kinds that
  /// read it. Checks against a model, of patterns' layers, and of
  /// products of two keys, are beyond it.
  public static var schema: JSONValue {
    let nowhere = RecipePath("/", relativeTo: "/")
    let section = Recipe(model: nowhere, output: nowhere, train: []).schema
    let head: [(String, JSONValue)] = [
      ("$schema", "https://json-schema.org/draft/2020-12/schema"), ("title", "sparseft recipe"),
    ]
    return .object(
      JSONObject(head + (section.object?.members ?? []).map { ($0.key, $0.value) }))
  }
}

// Parts of JSON Schemas.
extension JSONValue {
  static func strings(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

  static func enumeration(_ words: [String]) -> JSONValue { ["enum": .strings(words)] }

  static func anyOf(_ schemas: [JSONValue]) -> JSONValue { ["anyOf": .array(schemas)] }

  /// Objects whose member has a value that fits; without it only where `isDefault`.
  static func member(_ key: String, _ schema: JSONValue, isDefault: Bool = false) -> JSONValue {
    var object: JSONObject = ["properties": .object([key: schema])]
    if !isDefault { object["required"] = .strings([key]) }
    return .object(object)
  }

  static func both(_ first: JSONValue, _ second: JSONValue) -> JSONValue {
    ["allOf": [first, second]]
  }

  static func not(_ schema: JSONValue) -> JSONValue { ["not": schema] }
}

extension Interval {
  /// Numbers of the interval.
  var schema: JSONValue {
    .object([
      "type": "number", includesLower ? "minimum" : "exclusiveMinimum": Self.json(lower),
      includesUpper ? "maximum" : "exclusiveMaximum": Self.json(upper),
    ])
  }

  private static func json(_ value: Double) -> JSONValue {
    Int(exactly: value).map { .int($0) } ?? .number(value)
  }
}

extension TensorPattern {
  /// Texts that are patterns but for the order of layers in a range.
  static let schema: JSONValue = [
    "type": "string", "minLength": 1, "maxLength": 256,
    "pattern": "^([a-z0-9_.*]|\\[(\\*|[0-9]{1,9}(-[0-9]{1,9})?)\\])+$",
  ]
}

extension Recipe {
  /// Every key that a value can be given for, sections' keys behind a dot: "optimizer.learning_rate".
  public static var keyPaths: [String] {
    var seen: Set<String> = ["$schema"]
    let keys = keyPaths(of: schema, prefix: "").filter { seen.insert($0).inserted }
    // Conditions name sections, whose keys stand elsewhere.
    return keys.filter { key in !keys.contains { $0.hasPrefix(key + ".") } }
  }

  private static func keyPaths(of schema: JSONValue, prefix: String) -> [String] {
    properties(of: schema).flatMap { member -> [String] in
      let path = prefix + member.key
      let inner = keyPaths(of: member.value, prefix: path + ".")
      return inner.isEmpty ? [path] : inner
    }
  }

  /// The properties of a schema in all of its forms.
  private static func properties(of schema: JSONValue) -> [JSONObject.Member] {
    let forms = ["allOf", "anyOf"].flatMap { schema[$0]?.array ?? [] }.map { $0["then"] ?? $0 }
    return (schema["properties"]?.object?.members ?? []) + forms.flatMap(properties)
  }
}
