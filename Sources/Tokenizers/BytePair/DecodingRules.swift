/// A tokenizer.json's `decoder`: how pieces become text.
struct DecodingRules: Sendable {
  /// Whether pieces are spelled by the characters of `ByteAlphabet`.
  private(set) var isByteLevel = false
  /// What stands for a space in pieces; nil where nothing does.
  private(set) var space: [UInt8]?
  /// Whether pieces such as "<0x0A>" are bytes.
  private(set) var hasBytePieces = false
  /// Number of spaces that the start of a text loses, if it has them.
  private(set) var dropsSpaces = 0

  private static let known = [
    "ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Sequence", "Strip",
  ]

  /// - Parameters:
  ///   - json: the member `decoder`; without one, pieces are read as `rules` spell them.
  /// - Throws: `TokenizerError.invalidTokenizer` for a step that is not supported.
  init(_ json: JSONFieldValue, _ rules: SplitRules) throws(TokenizerError) {
    if json.isAbsent {
      isByteLevel = rules.isByteLevel
      space = rules.metaspace?.character
      dropsSpaces = rules.metaspace.map { $0.prefix == .never ? 0 : 1 } ?? 0
    } else {
      try add(json)
    }
    guard isByteLevel == rules.isByteLevel else {
      throw json.invalid(
        isByteLevel ? "'ByteLevel'" : "no 'ByteLevel'", "the same as in pre_tokenizer")
    }
  }

  private mutating func add(_ json: JSONFieldValue) throws(TokenizerError) {
    switch try json.type() {
    case "Sequence": for step in try json["decoders"].list() { try add(step) }
    case "ByteLevel": isByteLevel = true
    case "ByteFallback": hasBytePieces = true
    case "Fuse": break
    case "Metaspace":
      space = Array(try json["replacement"].string().utf8)
      let scheme = json["prepend_scheme"]
      let prepends =
        try scheme.isAbsent ? json["add_prefix_space"].bool(true) : scheme.string() != "never"
      dropsSpaces = prepends ? 1 : 0
    case "Replace":
      let (pattern, content) = (json["pattern"]["String"], json["content"])
      let spelled = try pattern.string()
      guard space == nil, !spelled.isEmpty, try content.string() == " " else {
        throw json.invalid("another replacement", "one, by a space")
      }
      space = Array(spelled.utf8)
    case "Strip":
      let (start, stop) = (try json["start"].id(), try json["stop"].id())
      guard try json["content"].string() == " ", stop == 0, start <= 16 else {
        throw json.invalid("another 'Strip'", "one of spaces at the start of a text")
      }
      dropsSpaces = Int(start)
    case let type: throw json.unsupported(type, Self.known)
    }
  }

  /// The bytes of a piece in the midst of a text.
  func bytes(of spelling: ArraySlice<UInt8>) -> [UInt8] {
    if isByteLevel { return ByteAlphabet.bytes(of: spelling) ?? Array(spelling) }
    if hasBytePieces, let byte = Self.byte(of: spelling) { return [byte] }
    guard let space, let first = space.first else { return Array(spelling) }
    var result: [UInt8] = []
    var rest = spelling
    while let place = rest.firstIndex(of: first) {
      result += rest[..<place]
      let isSpace = rest[place...].starts(with: space)
      result.append(isSpace ? 0x20 : first)
      rest = rest[(place + (isSpace ? space.count : 1))...]
    }
    return result + rest
  }

  /// The byte that a piece such as "<0x0A>" stands for; nil for other pieces.
  static func byte(of spelling: ArraySlice<UInt8>) -> UInt8? {
    guard spelling.count == 6, spelling.starts(with: "<0x".utf8),
      spelling.last == UInt8(ascii: ">")
    else { return nil }
    let digits = spelling.dropFirst(3).dropLast()
    guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
    return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}
