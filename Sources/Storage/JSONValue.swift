/// A JSON document as a value. Objects keep the order of their keys.
///
///     let value: JSONValue = ["type": "lora", "rank": 8, "alpha": 16.0]
///     value["rank"]?.int          // 8
///     value.encoded(.pretty)      // text
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  /// A number without fraction or exponent that fits `Int`.
  case int(Int)
  /// Any other number. Not finite values are encoded as `null`.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

extension JSONValue {
  /// An object's member; nil if the key is missing or the value is not an object.
  public subscript(key: String) -> JSONValue? { object?[key] }

  /// An array's element; nil if the index is out of range or the value is not an array.
  public subscript(index: Int) -> JSONValue? {
    guard let array, array.indices.contains(index) else { return nil }
    return array[index]
  }

  /// True for `null`.
  public var isNull: Bool { self == .null }

  /// The value of `true` and `false`; nil for anything else.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// An integral number within `Int`, also when written as `1e3` or `2.0`; nil for anything else.
  public var int: Int? {
    switch self {
    case .int(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  /// Any number; nil for anything else.
  public var double: Double? {
    switch self {
    case .int(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// A string's text; nil for anything else.
  public var string: String? { if case .string(let value) = self { value } else { nil } }

  /// An array's elements; nil for anything else.
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

  /// An object's members; nil for anything else.
  public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

  /// The value's kind for messages: "a string", "an object" ….
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .int: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// The number with the fewest digits that reads back as the same `Float`.
  public init(_ value: Float) {
    let short = Double(value.description) ?? Double(value)
    self = .number(Float(short) == value ? short : Double(value))
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements))
  }
}
