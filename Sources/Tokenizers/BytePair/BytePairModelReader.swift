import Storage

/// Reads the members `model` and `added_tokens` of a tokenizer.json into a `BytePairModel`.
struct BytePairModelReader {
  /// Ids stay below this, so that a small file makes no large table.
  private let limit: Int
  private var model = BytePairModel()
  private var merges: JSONScanner?
  private var unknown: String?
  private var hasByteFallback = false
  /// What stands for a space in pieces, if anything does.
  private let space: [UInt8]?
  /// Last characters of pieces that merge with a piece that begins with a space, but for spaces.
  private(set) var crossing: Set<Unicode.Scalar> = []

  /// - Parameters:
  ///   - limit: bytes of the file; every piece takes more than one.
  ///   - space: what stands for a space in pieces, if anything does.
  init(limit: Int, space: [UInt8]?) {
    self.limit = limit
    self.space = space
  }

  /// Reads the model but for its merges.
  /// - Parameter scanner: where the member's value starts.
  mutating func readVocabulary(_ scanner: inout JSONScanner) throws(TokenizerError) {
    var options = JSONObject()
    var hasVocabulary = false
    let opening = scanner.peek()
    guard opening == UInt8(ascii: "{") else {
      throw .invalidTokenizer(field: "model", found: "no object", expected: "an object")
    }
    try checkType(scanner)
    try scanner.object { (scanner, key) throws(TokenizerError) in
      let key = String(decoding: key, as: UTF8.self)
      switch key {
      case "vocab" where !hasVocabulary:
        hasVocabulary = true
        try readPieces(&scanner)
      case "merges" where merges == nil:
        merges = scanner
        try scanner.skipValue()
      default:
        guard options[key] == nil, key != "vocab", key != "merges" else {
          throw scanner.malformed("the key '\(key.prefix(40))' twice")
        }
        options[key] = try scanner.value()
      }
    }
    guard hasVocabulary, merges != nil else {
      throw .invalidTokenizer(
        field: "model", found: "no vocab or no merges", expected: "the members of a BPE model")
    }
    try readOptions(.init(.object(options), "model"))
  }

  /// Refuses other models before their members are read as those of a BPE model.
  private func checkType(_ start: JSONScanner) throws(TokenizerError) {
    var type = "BPE"
    var scanner = start
    var text: [UInt8] = []
    try scanner.object { (scanner, key) throws(TokenizerError) in
      if key.elementsEqual("type".utf8) {
        try scanner.string(into: &text)
        type = String(decoding: text, as: UTF8.self)
      } else {
        try scanner.skipValue()
      }
    }
    guard type == "BPE" else {
      throw .invalidTokenizer(
        field: "model.type", found: "'\(type.prefix(40))', which is not supported",
        expected: "'BPE'")
    }
  }

  private mutating func readPieces(_ scanner: inout JSONScanner) throws(TokenizerError) {
    try scanner.object { (scanner, key) throws(TokenizerError) in
      try insert(key, id: scanner.id(), "model.vocab")
    }
  }

  private mutating func insert(
    _ spelling: [UInt8], id: Int32, _ field: String
  ) throws(TokenizerError) {
    func invalid(_ found: String, _ expected: String) -> TokenizerError {
      let text = String(decoding: spelling.prefix(40), as: UTF8.self)
      return .invalidTokenizer(field: "\(field) '\(text)'", found: found, expected: expected)
    }
    guard Int(id) < limit else { throw invalid("id \(id)", "an id below \(limit)") }
    switch model.pieces.insert(spelling, id: id) {
    case .idTaken: throw invalid("id \(id), which another piece has", "an id of its own")
    case .spellingTaken: throw invalid("the same spelling twice", "each piece once")
    case nil: break
    }
  }

  private mutating func readOptions(_ options: JSONFieldValue) throws(TokenizerError) {
    let dropout = options["dropout"]
    if !dropout.isAbsent, try dropout.number() != 0 {
      throw dropout.invalid("dropout", "none; it is for training tokenizers")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if !options[key].isAbsent, try !options[key].string().isEmpty {
        throw options[key].unsupported(try options[key].string(), ["nothing"])
      }
    }
    if !options["unk_token"].isAbsent { unknown = try options["unk_token"].string() }
    if unknown?.isEmpty == true { unknown = nil }
    model.fusesUnknown = try options["fuse_unk"].bool(false)
    model.takesWholeWords = try options["ignore_merges"].bool(false)
    hasByteFallback = try options["byte_fallback"].bool(false)
  }

  /// Reads the added tokens; each is a piece of the vocabulary, or becomes one.
  mutating func readAdded(_ json: JSONFieldValue) throws(TokenizerError) -> [AddedToken] {
    var result: [AddedToken] = []
    var seen: Set<Int32> = []
    for item in try json.list() {
      let token = try AddedToken(item)
      guard seen.insert(token.id).inserted else {
        throw item["id"].invalid("\(token.id) twice", "each id once")
      }
      let spelling = Array(token.content.utf8)
      if model.pieces.id(spelling) != token.id {
        try insert(spelling, id: token.id, item.place)
      }
      result.append(token)
    }
    return result
  }

  /// The model, with its merges.
  /// - Parameter special: ids that no merge makes.
  mutating func finish(
    special: Set<Int32>, isByteLevel: Bool
  ) throws(TokenizerError) -> BytePairModel {
    if let unknown {
      guard let id = model.pieces.id(unknown) else {
        throw .invalidTokenizer(
          field: "model.unk_token", found: "'\(unknown.prefix(40))'",
          expected: "a piece of the vocabulary")
      }
      model.unknown = id
    }
    model.special = special
    model.settle(isByteLevel: isByteLevel, hasByteFallback: hasByteFallback)
    if let merges { try readMerges(merges) }
    return model
  }
}

extension BytePairModelReader {
  private mutating func readMerges(_ start: JSONScanner) throws(TokenizerError) {
    var scanner = start
    var count = 0
    try scanner.array { (scanner) throws(TokenizerError) in
      count += 1
      try scanner.skipValue()
    }
    var table = MergeTable(count: count)
    var (left, right): ([UInt8], [UInt8]) = ([], [])
    var rank = 0
    scanner = start
    try scanner.array { (scanner) throws(TokenizerError) in
      try Self.readPair(&scanner, rank, &left, &right)
      let ids = (model.pieces.id(left), model.pieces.id(right))
      noteCrossing(left, right)
      left += right
      guard let first = ids.0, let second = ids.1, let joined = model.pieces.id(left) else {
        throw .invalidTokenizer(
          field: "model.merges[\(rank)]",
          found: "'\(String(decoding: left.prefix(40), as: UTF8.self))'",
          expected: "two pieces of the vocabulary that make a third")
      }
      // Text that spells a control token stays text.
      if !model.special.contains(joined) {
        table[first, second] = .init(rank: rank, id: joined)
      }
      rank += 1
    }
    model.merges = table
  }

  /// Remembers what joins a word to a space behind it.
  private mutating func noteCrossing(_ left: [UInt8], _ right: [UInt8]) {
    guard let space, right.starts(with: space), !left.suffix(space.count).elementsEqual(space),
      let last = String(decoding: left.suffix(4), as: UTF8.self).unicodeScalars.last
    else { return }
    crossing.insert(last)
  }

  /// Reads a merge: a list of two pieces, or both in one string with a space between them.
  static func readPair(
    _ scanner: inout JSONScanner, _ rank: Int, _ left: inout [UInt8], _ right: inout [UInt8]
  ) throws(TokenizerError) {
    func invalid() -> TokenizerError {
      .invalidTokenizer(
        field: "model.merges[\(rank)]", found: "something else", expected: "two pieces")
    }
    guard scanner.peek() == UInt8(ascii: "[") else {
      try scanner.string(into: &left)
      guard let space = left.firstIndex(of: 0x20), space > 0, space + 1 < left.count,
        !left[(space + 1)...].contains(0x20)
      else { throw invalid() }
      right.removeAll(keepingCapacity: true)
      right += left[(space + 1)...]
      left.removeSubrange(space...)
      return
    }
    var count = 0
    try scanner.array { (scanner) throws(TokenizerError) in
      guard count < 2 else { throw invalid() }
      if count == 0 { try scanner.string(into: &left) } else { try scanner.string(into: &right) }
      count += 1
    }
    guard count == 2, !left.isEmpty, !right.isEmpty else { throw invalid() }
  }
}
