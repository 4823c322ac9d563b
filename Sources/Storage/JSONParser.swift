/// A recursive-descent parser for RFC 8259 plus the extensions of `JSONDialect.relaxed`.
struct JSONParser {
  private let bytes: UnsafeRawBufferPointer
  private let source: String
  private let dialect: JSONDialect
  private var position = 0
  private var depth = 0
  /// Whether values are checked but not built.
  private var isSkipping = false

  init(_ bytes: UnsafeRawBufferPointer, source: String, _ dialect: JSONDialect) {
    self.bytes = bytes
    self.source = source
    self.dialect = dialect
  }

  mutating func document() throws(StorageError) -> JSONValue {
    if dialect == .relaxed, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    let value = try value()
    try end()
    return value
  }

  /// Checks that nothing but white space is left.
  mutating func end() throws(StorageError) {
    try skipSpace()
    guard position == bytes.count else { throw expected("the end of the document") }
  }

  /// Reads a value without building it.
  mutating func skip() throws(StorageError) {
    isSkipping = true
    _ = try value()
    isSkipping = false
  }

  // MARK: values

  mutating func value() throws(StorageError) -> JSONValue {
    try skipSpace()
    guard let byte = peek else { throw expected("a value") }
    switch byte {
    case UInt8(ascii: "{"): return .object(try object())
    case UInt8(ascii: "["): return .array(try array())
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw expected("a value")
    }
  }

  private mutating func object() throws(StorageError) -> JSONObject {
    try open()
    var object = JSONObject()
    var isFirst = true
    while try !closes(UInt8(ascii: "}"), isFirst: isFirst) {
      let start = position
      let key = try key()
      if isSkipping {
        isFirst = false
        _ = try value()
        continue
      }
      guard object[key] == nil else { throw problem("the key \"\(key)\" stands twice", at: start) }
      object[key] = try value()
      isFirst = false
    }
    return object
  }

  /// A member's key and the colon behind it.
  mutating func key() throws(StorageError) -> String {
    guard peek == UInt8(ascii: "\"") else { throw expected("a key in double quotes") }
    let key = try string()
    try skipSpace()
    guard take(UInt8(ascii: ":")) else { throw expected("':' after the key \"\(key)\"") }
    return key
  }

  private mutating func array() throws(StorageError) -> [JSONValue] {
    try open()
    var array: [JSONValue] = []
    var isFirst = true
    while try !closes(UInt8(ascii: "]"), isFirst: isFirst) {
      let element = try value()
      if !isSkipping { array.append(element) }
      isFirst = false
    }
    return array
  }

  mutating func open() throws(StorageError) {
    depth += 1
    guard depth <= JSONValue.depthLimit else {
      throw problem("nested deeper than \(JSONValue.depthLimit) levels")
    }
    position += 1
  }

  /// Consumes the comma before the next element, or consumes the closing bracket and returns true.
  mutating func closes(_ bracket: UInt8, isFirst: Bool) throws(StorageError) -> Bool {
    try skipSpace()
    var mayClose = isFirst
    if !isFirst, take(UInt8(ascii: ",")) {
      try skipSpace()
      mayClose = dialect == .relaxed
      if peek == bracket, !mayClose { throw expected("another element after ','") }
    } else if !isFirst {
      mayClose = true
      let closing = Character(Unicode.Scalar(bracket))
      guard peek == bracket else { throw expected("',' or '\(closing)'") }
    }
    guard mayClose, take(bracket) else { return false }
    depth -= 1
    return true
  }

  private mutating func word(_ text: String, _ value: JSONValue) throws(StorageError) -> JSONValue {
    guard bytes[position...].starts(with: text.utf8) else { throw expected("a value") }
    position += text.utf8.count
    if let next = peek, isWordByte(next) { throw expected("a separator after '\(text)'") }
    return value
  }

  // MARK: numbers

  private mutating func number() throws(StorageError) -> JSONValue {
    let start = position
    let isNegative = take(UInt8(ascii: "-"))
    let leading = peek
    let digits = skipDigits()
    guard digits > 0 else { throw expected("a digit") }
    guard digits == 1 || leading != UInt8(ascii: "0") else {
      throw problem("a number with a leading zero", at: start)
    }
    var isIntegral = true
    if take(UInt8(ascii: ".")) {
      isIntegral = false
      guard skipDigits() > 0 else { throw expected("a digit after '.'") }
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      isIntegral = false
      position += 1
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard skipDigits() > 0 else { throw expected("a digit of the exponent") }
    }
    if let next = peek, isWordByte(next) { throw expected("a separator after the number") }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isIntegral, let value = Int(text), !(isNegative && value == 0) { return .int(value) }
    guard let value = Double(text), value.isFinite else {
      throw problem("a number too large to hold", at: start)
    }
    return .number(value)
  }

  private mutating func skipDigits() -> Int {
    let start = position
    while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    return position - start
  }

  // MARK: strings

  mutating func string() throws(StorageError) -> String {
    let start = position
    position += 1
    var text: [UInt8] = []
    while true {
      guard let byte = peek else { throw problem("a string without its closing quote", at: start) }
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw problem("a string that is not UTF-8", at: start)
        }
        return string
      case UInt8(ascii: "\\"):
        try escape(into: &text)
        if isSkipping { text.removeAll(keepingCapacity: true) }
      case 0..<0x20:
        throw problem("a control character in a string; write it as \\u00XX", at: position - 1)
      default: if !isSkipping { text.append(byte) }
      }
    }
  }

  private mutating func escape(into text: inout [UInt8]) throws(StorageError) {
    let start = position - 1
    guard let byte = peek else { throw problem("a string without its closing quote", at: start) }
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
      if UTF16.isLeadSurrogate(units[0]), bytes[position...].starts(with: Array("\\u".utf8)) {
        position += 2
        units.append(try codeUnit())
      }
      guard let string = String(validating: units, as: UTF16.self) else {
        throw problem("half of a surrogate pair", at: start)
      }
      text += Array(string.utf8)
    default: throw problem("an unknown escape in a string", at: start)
    }
  }

  private mutating func codeUnit() throws(StorageError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue,
        byte < 0x80
      else { throw expected("four hexadecimal digits after \\u") }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }

  // MARK: space

  mutating func skipSpace() throws(StorageError) {
    while let byte = peek {
      switch byte {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      case UInt8(ascii: "/"):
        guard dialect == .relaxed else { throw problem("comments are not allowed here") }
        try skipComment()
      default: return
      }
    }
  }

  private mutating func skipComment() throws(StorageError) {
    let start = position
    position += 1
    if take(UInt8(ascii: "/")) {
      while let byte = peek, byte != 0x0A { position += 1 }
    } else if take(UInt8(ascii: "*")) {
      while let byte = peek {
        position += 1
        if byte == UInt8(ascii: "*"), take(UInt8(ascii: "/")) { return }
      }
      throw problem("a comment without its closing */", at: start)
    } else {
      throw expected("'//' or '/*'")
    }
  }

  // MARK: bytes and errors

  var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    position += 1
    return true
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
      UInt8(ascii: "-"), UInt8(ascii: "+"):
      true
    default: false
    }
  }

  func expected(_ what: String) -> StorageError {
    guard let byte = peek else { return problem("found the end, expected \(what)") }
    let found =
      (0x21...0x7E).contains(byte)
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
    return problem("found \(found), expected \(what)")
  }

  func problem(_ text: String, at offset: Int? = nil) -> StorageError {
    let before = bytes[..<(offset ?? position)]
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    let line = 1 + before.count { $0 == 0x0A }
    let column = 1 + before[lineStart...].count { $0 & 0xC0 != 0x80 }
    return .json(source: source, line: line, column: column, problem: text)
  }
}
