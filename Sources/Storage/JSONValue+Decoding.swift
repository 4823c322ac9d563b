/// Which JSON syntax is accepted.
public enum JSONDialect: Sendable {
  /// RFC 8259; duplicate keys in an object are an error.
  case strict
  /// Like `strict`, but also accepts `//` and `/* */` comments, trailing commas and a byte-order
  /// mark, as in hand-written files.
  case relaxed
}

extension JSONValue {
  /// The deepest nesting that is accepted.
  public static let depthLimit = 64

  /// Reads a document from bytes, which must be UTF-8.
  ///
  /// - Parameter source: names the bytes in messages: usually the path.
  /// - Throws: `StorageError.json` with line and column.
  public static func decode(
    _ bytes: UnsafeRawBufferPointer, source: String, _ dialect: JSONDialect = .strict
  ) throws(StorageError) -> JSONValue {
    var parser = JSONParser(bytes, source: source, dialect)
    return try parser.document()
  }

  /// Reads a document from bytes.
  /// - Throws: `StorageError.json`.
  public static func decode(
    _ bytes: [UInt8], source: String, _ dialect: JSONDialect = .strict
  ) throws(StorageError) -> JSONValue {
    try bytes.withUnsafeBufferPointer { (buffer) throws(StorageError) in
      try decode(UnsafeRawBufferPointer(buffer), source: source, dialect)
    }
  }

  /// Reads a document from text.
  /// - Throws: `StorageError.json`.
  public static func decode(
    _ text: String, source: String = "JSON", _ dialect: JSONDialect = .strict
  ) throws(StorageError) -> JSONValue {
    try decode(Array(text.utf8), source: source, dialect)
  }

  /// Reads a document from a file.
  /// - Throws: `StorageError`.
  public static func read(
    path: String, _ dialect: JSONDialect = .strict
  ) throws(StorageError) -> JSONValue {
    let file = try MappedFile(path: path)
    return try decode(file.bytes, source: path, dialect)
  }
}
