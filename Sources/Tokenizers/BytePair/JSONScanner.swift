import Storage

/// Reads a JSON document from front to back without keeping it: a vocabulary of half a million
/// entries goes straight into its tables. Small members are handed to `JSONValue` as a whole.
struct JSONScanner {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  /// - Parameter bytes: the document, valid UTF-8.
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Visits the members of an object. `visit` gets the key and must consume the value.
  mutating func object(
    _ visit: (inout JSONScanner, _ key: [UInt8]) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    try take("{", "an object")
    var key: [UInt8] = []
    var isFirst = true
    while try !closes("}", isFirst: &isFirst) {
      try string(into: &key)
      skipSpace()
      try take(":", "':' after a key")
      skipSpace()
      try visit(&self, key)
    }
  }

  /// Visits the elements of a list. `visit` must consume each.
  mutating func array(
    _ visit: (inout JSONScanner) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    try take("[", "a list")
    var isFirst = true
    while try !closes("]", isFirst: &isFirst) { try visit(&self) }
  }

  /// The first byte of the next value.
  mutating func peek() -> UInt8? {
    skipSpace()
    return position < bytes.count ? bytes[position] : nil
  }

  /// A string's text as UTF-8, into `text`, whose former contents go.
  mutating func string(into text: inout [UInt8]) throws(TokenizerError) {
    text.removeAll(keepingCapacity: true)
    try take("\"", "a string")
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        position += 1
        return
      }
      guard byte >= 0x20 else { throw malformed("a control character in a string") }
      if byte == UInt8(ascii: "\\") {
        position += 1
        try escape(into: &text)
      } else {
        text.append(byte)
        position += 1
      }
    }
    position = start
    throw malformed("a string without its closing quote")
  }

  /// An integer from 0 to `Int32.max`. What follows it is the caller's to check.
  mutating func id() throws(TokenizerError) -> Int32 {
    let start = position
    var value = 0
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
      value = value * 10 + Int(bytes[position] - 0x30)
      guard value <= Int(Int32.max) else {
        throw malformed("a number above \(Int32.max), expected an id")
      }
      position += 1
    }
    guard position > start, position == start + 1 || bytes[start] != 0x30 else {
      throw malformed("something else than a whole number from 0")
    }
    return Int32(value)
  }

  /// Any value, parsed.
  mutating func value() throws(TokenizerError) -> JSONValue {
    let start = position
    try skipValue()
    do throws(StorageError) {
      return try JSONValue.decode(.init(rebasing: bytes[start..<position]), source: "tokenizer")
    } catch {
      throw .invalidTokenizer(field: "byte \(start)", found: "\(error)", expected: "JSON")
    }
  }

  /// Consumes any value without parsing it, except where it ends.
  mutating func skipValue() throws(TokenizerError) {
    var depth = 0
    repeat {
      guard let byte = peek() else { throw malformed("the end of the file") }
      switch byte {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        guard depth <= JSONValue.depthLimit else {
          throw malformed("values nested deeper than \(JSONValue.depthLimit) levels")
        }
        position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard depth > 0 else { throw malformed("a closing bracket") }
        depth -= 1
        position += 1
      case UInt8(ascii: "\""): try skipString()
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        guard depth > 0 else { throw malformed("'\(Character(Unicode.Scalar(byte)))'") }
        position += 1
      default: try skipWord()
      }
    } while depth > 0
  }

  /// Checks that nothing but space follows.
  mutating func finish() throws(TokenizerError) {
    guard peek() == nil else { throw malformed("something behind the end of the document") }
  }

  func malformed(_ found: String) -> TokenizerError {
    .invalidTokenizer(field: "byte \(position)", found: found, expected: "well-formed JSON")
  }
}

extension JSONScanner {
  private mutating func skipSpace() {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      position += 1
    }
  }

  private mutating func take(_ character: Unicode.Scalar, _ what: String) throws(TokenizerError) {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else {
      throw .invalidTokenizer(
        field: "byte \(position)", found: position < bytes.count ? "something else" : "the end",
        expected: what)
    }
    position += 1
  }

  /// Consumes the comma before the next element, or the closing bracket.
  private mutating func closes(
    _ bracket: Unicode.Scalar, isFirst: inout Bool
  ) throws(TokenizerError) -> Bool {
    skipSpace()
    if position < bytes.count, bytes[position] == UInt8(ascii: bracket) {
      position += 1
      return true
    }
    if !isFirst { try take(",", "',' or '\(bracket)'") }
    isFirst = false
    skipSpace()
    return false
  }

  private mutating func skipString() throws(TokenizerError) {
    position += 1
    while position < bytes.count {
      let byte = bytes[position]
      position += byte == UInt8(ascii: "\\") ? 2 : 1
      if byte == UInt8(ascii: "\"") { return }
    }
    position = bytes.count
    throw malformed("a string without its closing quote")
  }

  private mutating func skipWord() throws(TokenizerError) {
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E: position += 1
      default:
        guard position > start else { throw malformed("a value that is none") }
        return
      }
    }
  }

  private mutating func escape(into text: inout [UInt8]) throws(TokenizerError) {
    guard position < bytes.count else { throw malformed("a string without its closing quote") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "u"):
      var units = [try codeUnit()]
      if UTF16.isLeadSurrogate(units[0]), position + 1 < bytes.count,
        bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
      {
        position += 2
        units.append(try codeUnit())
      }
      guard let string = String(validating: units, as: UTF16.self) else {
        throw malformed("half of a surrogate pair")
      }
      text += string.utf8
    default: throw malformed("an unknown escape in a string")
    }
  }

  private mutating func codeUnit() throws(TokenizerError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard position < bytes.count, bytes[position] < 0x80,
        let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
      else { throw malformed("an escape without four hexadecimal digits") }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
