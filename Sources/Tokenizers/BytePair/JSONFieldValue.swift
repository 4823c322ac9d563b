import Storage

/// A value in a tokenizer.json with its place there, for errors that name it.
struct JSONFieldValue {
  /// The value's place, such as "pre_tokenizer.pretokenizers[0]".
  let place: String
  private let value: JSONValue?

  init(_ value: JSONValue?, _ place: String) {
    self.value = value
    self.place = place
  }

  /// Whether the member is missing or null.
  var isAbsent: Bool { value == nil || value == .null }

  /// A member of an object; absent where there is none.
  subscript(key: String) -> JSONFieldValue { .init(value?[key], "\(place).\(key)") }

  /// The member `type`.
  func type() throws(TokenizerError) -> String { try self["type"].string() }

  func string() throws(TokenizerError) -> String {
    guard let string = value?.string else { throw invalid(shown, "a string") }
    return string
  }

  /// - Parameter absent: the value of a member that is missing or null.
  func bool(_ absent: Bool? = nil) throws(TokenizerError) -> Bool {
    if isAbsent, let absent { return absent }
    guard let bool = value?.bool else { throw invalid(shown, "true or false") }
    return bool
  }

  /// An id from 0 to `Int32.max`.
  func id() throws(TokenizerError) -> Int32 {
    guard let id = value?.int, (0...Int(Int32.max)).contains(id) else {
      throw invalid(shown, "an id")
    }
    return Int32(id)
  }

  func number() throws(TokenizerError) -> Double {
    guard let number = value?.double else { throw invalid(shown, "a number") }
    return number
  }

  func list() throws(TokenizerError) -> [JSONFieldValue] {
    guard let list = value?.array else { throw invalid(shown, "a list") }
    return list.enumerated().map { .init($1, "\(place)[\($0)]") }
  }

  private var shown: String {
    guard let value else { return "nothing" }
    return value.array == nil && value.object == nil ? "\(value.encoded().prefix(60))" : value.kind
  }

  func invalid(_ found: String, _ expected: String) -> TokenizerError {
    .invalidTokenizer(field: place, found: found, expected: expected)
  }

  func unsupported(_ type: String, _ known: [String]) -> TokenizerError {
    invalid("'\(type)', which is not supported", known.joined(separator: ", "))
  }
}
