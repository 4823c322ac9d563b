/// Reads a strict JSON text from front to back and builds only what the caller asks for, so that the
/// memory it takes is that of the strings kept.
///
///     var reader = JSONReader(bytes, source: path)
///     try reader.beginObject()
///     while let key = try reader.nextKey() {
///       if key == "text" { text = try reader.string() } else { try reader.skip() }
///     }
///     try reader.end()
public struct JSONReader {
  private var parser: JSONParser
  /// For each open object or list, whether nothing of it was read yet.
  private var isFirst: [Bool] = []

  /// - Parameters:
  ///   - bytes: UTF-8, to outlive the reader.
  ///   - source: names the bytes in messages: usually the path.
  public init(_ bytes: UnsafeRawBufferPointer, source: String) {
    parser = JSONParser(bytes, source: source, .strict)
  }

  /// The next value's kind for messages ("a string", "a list" …).
  /// - Throws: `StorageError.json` where no value begins.
  public mutating func nextKind() throws(StorageError) -> String {
    try parser.skipSpace()
    guard let byte = parser.peek else { throw parser.expected("a value") }
    switch byte {
    case UInt8(ascii: "{"): return "an object"
    case UInt8(ascii: "["): return "a list"
    case UInt8(ascii: "\""): return "a string"
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return "true or false"
    case UInt8(ascii: "n"): return "null"
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return "a number"
    default: throw parser.expected("a value")
    }
  }

  /// Enters an object; `nextKey` gives its members.
  /// - Throws: `StorageError.json`; so do all others.
  public mutating func beginObject() throws(StorageError) {
    try begin(UInt8(ascii: "{"), "an object")
  }

  /// Enters a list; `nextElement` says whether there is another element.
  public mutating func beginArray() throws(StorageError) {
    try begin(UInt8(ascii: "["), "a list")
  }

  private mutating func begin(_ bracket: UInt8, _ what: String) throws(StorageError) {
    try parser.skipSpace()
    guard parser.peek == bracket else { throw parser.expected(what) }
    try parser.open()
    isFirst.append(true)
  }

  /// The key of the next member, whose value must be read or skipped; nil at the object's end.
  public mutating func nextKey() throws(StorageError) -> String? {
    try goesOn(UInt8(ascii: "}")) ? try parser.key() : nil
  }

  /// Whether another element follows, which must be read or skipped; false at the list's end.
  public mutating func nextElement() throws(StorageError) -> Bool {
    try goesOn(UInt8(ascii: "]"))
  }

  private mutating func goesOn(_ bracket: UInt8) throws(StorageError) -> Bool {
    let ends = try parser.closes(bracket, isFirst: isFirst.last ?? true)
    if ends { isFirst.removeLast() } else { isFirst[isFirst.count - 1] = false }
    return !ends
  }

  /// Reads a string.
  public mutating func string() throws(StorageError) -> String {
    try parser.skipSpace()
    guard parser.peek == UInt8(ascii: "\"") else { throw parser.expected("a string") }
    return try parser.string()
  }

  /// Passes over a value of any kind, checked but not kept.
  public mutating func skip() throws(StorageError) { try parser.skip() }

  /// Checks that nothing but white space follows.
  public mutating func end() throws(StorageError) { try parser.end() }
}
