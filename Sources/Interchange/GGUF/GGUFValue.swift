/// A metadata value of a GGUF file. Texts and lists are places in the file, checked to lie in it.
enum GGUFValue: Sendable {
  /// An integer of any width that fits `Int`.
  case integer(Int)
  /// A 64-bit integer above `Int.max`.
  case large(UInt64)
  /// A single.
  case single(Float)
  /// A double.
  case double(Double)
  /// One byte, 0 or 1.
  case flag(Bool)
  /// The bytes of a text.
  case text(Range<Int>)
  /// A list.
  case list(GGUFList)

  /// The kind in messages: "an integer", "a text" ….
  var kind: String {
    switch self {
    case .integer, .large: "an integer"
    case .single, .double: "a number"
    case .flag: "true or false"
    case .text: "a text"
    case .list: "a list"
    }
  }
}

/// A list in a GGUF file's metadata.
struct GGUFList: Sendable {
  /// The type of all its elements.
  let type: GGUFValueType
  /// Number of elements.
  let count: Int
  /// Where the elements lie in the file.
  let bytes: Range<Int>
}

/// The types of metadata values, by their numbers in files.
enum GGUFValueType: UInt32, Sendable {
  case uint8 = 0
  case int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

  /// Bytes of a value; nil where they differ from value to value.
  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }
}
