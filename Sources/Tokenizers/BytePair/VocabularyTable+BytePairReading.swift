import Storage

// The inverse of `bytePairJSON()`: what a tokenizer.json says, as a table.
extension VocabularyTable {
  /// Tables of a tokenizer.json, one for each name that its way of splitting may have.
  static func bytePairTables(
    _ bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [VocabularyTable] {
    let file = try BytePairFile(bytes)
    let merges = try mergedPieces(bytes)
    guard file.rules.isByteLevel else { return [scoredTable(file, merges)] }
    var table = VocabularyTable(model: "gpt2", pieces: spellings(file.model.pieces))
    table.types = types(file)
    table.merges = merges.map { "\($0.left) \($0.right)" }
    table.addSpecial(file)
    let names = try namesOfSplits(bytes, merges, takesWholeWords: file.model.takesWholeWords)
    return names.map { name in
      var copy = table
      copy.preTokenizer = name
      return copy
    }
  }

  /// The names of rules that may split as a file's do: those by which a small part of its vocabulary
  /// gives the ids that the same part gives by the file's own rules.
  private static func namesOfSplits(
    _ bytes: UnsafeRawBufferPointer, _ merges: [(left: String, right: String)],
    takesWholeWords: Bool
  ) throws(TokenizerError) -> [String] {
    let first = merges.prefix(2000)
    var table = VocabularyTable(model: "gpt2", pieces: [])
    var known: Set<String> = []
    let single = (0...UInt8.max).map {
      String(decoding: ByteAlphabet.spelling(of: [$0]), as: UTF8.self)
    }
    for piece in single + first.map({ $0.left + $0.right }) where known.insert(piece).inserted {
      table.pieces.append(piece)
    }
    table.merges = first.filter { known.contains($0.left) && known.contains($0.right) }.map {
      "\($0.left) \($0.right)"
    }
    let rules = try members(bytes, ["normalizer", "pre_tokenizer"])
    var names: [String] = []
    for name in ByteLevelSplits.usualNames
    where ByteLevelSplits.takingWholeWords.contains(name) == takesWholeWords {
      table.preTokenizer = name
      let named = try table.bytePairJSON()
      guard var own = try? JSONValue.decode(named, source: "").object else { continue }
      for key in ["normalizer", "pre_tokenizer"] { own[key] = rules[key] ?? .null }
      if try ids(named) == ids(Array(JSONValue.object(own).encoded().utf8)) { names.append(name) }
    }
    return names
  }

  /// The probe's ids by a tokenizer.json.
  private static func ids(_ json: [UInt8]) throws(TokenizerError) -> [Int32] {
    let result: Result<[Int32], TokenizerError> = json.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in
        try BytePairTokenizer(serialized: bytes).encode(probe)
      }
    }
    return try result.get()
  }

  /// Some members of a tokenizer.json.
  private static func members(
    _ bytes: UnsafeRawBufferPointer, _ keys: Set<String>
  ) throws(TokenizerError) -> JSONObject {
    var members = JSONObject()
    var scanner = JSONScanner(bytes)
    try scanner.object { (scanner, key) throws(TokenizerError) in
      let key = String(decoding: key, as: UTF8.self)
      if keys.contains(key) { members[key] = try scanner.value() } else { try scanner.skipValue() }
    }
    return members
  }

  /// A SentencePiece-style vocabulary: a piece's score falls with the rank of the merge that makes
  /// it.
  private static func scoredTable(
    _ file: BytePairFile, _ merges: [(left: String, right: String)]
  ) -> VocabularyTable {
    var table = VocabularyTable(model: "llama", pieces: spellings(file.model.pieces))
    table.types = types(file)
    if let unknown = file.model.unknown { table.types[Int(unknown)] = PieceType.unknown }
    table.unknown = file.model.unknown
    table.scores = .init(repeating: 0, count: table.pieces.count)
    var rank: Float = 0
    var isMade = [Bool](repeating: false, count: table.pieces.count)
    for merge in merges {
      guard let id = file.model.pieces.id(merge.left + merge.right), !isMade[Int(id)] else {
        continue
      }
      isMade[Int(id)] = true
      table.scores[Int(id)] = -rank
      rank += 1
    }
    // Single characters are never the result of a merge.
    for id in table.pieces.indices where !isMade[id] && table.types[id] == PieceType.normal {
      table.scores[id] = -rank
    }
    table.addsSpacePrefix =
      file.normalization.prefix != nil
      || file.rules.metaspace.map { $0.prefix != .never } ?? false
    table.removesExtraSpaces = false
    table.addSpecial(file)
    table.spellSpacesPlainly()
    return table
  }

  private mutating func addSpecial(_ file: BytePairFile) {
    beginOfSequence = file.template.begin
    endOfSequence = file.template.end
    addsBeginOfSequence = file.template.begin != nil
    addsEndOfSequence = file.template.end != nil
  }

  /// The spellings by id; ids without a piece get one that no text has.
  private static func spellings(_ pieces: PieceTable) -> [String] {
    (0..<pieces.idCount).map { id in
      pieces.contains(Int32(id))
        ? String(decoding: pieces.spelling(of: Int32(id)), as: UTF8.self) : "[PAD\(id)]"
    }
  }

  private static func types(_ file: BytePairFile) -> [Int32] {
    let pieces = file.model.pieces
    var types = (0..<pieces.idCount).map { id in
      pieces.contains(Int32(id)) ? PieceType.normal : PieceType.unused
    }
    if !file.rules.isByteLevel {
      for id in file.model.byteIDs where id >= 0 { types[Int(id)] = PieceType.byte }
    }
    for token in file.added {
      types[Int(token.id)] = token.isSpecial ? PieceType.control : PieceType.userDefined
    }
    return types
  }

  /// The pairs of `model.merges`, in order.
  private static func mergedPieces(
    _ bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [(left: String, right: String)] {
    var merges: [(left: String, right: String)] = []
    var (left, right): ([UInt8], [UInt8]) = ([], [])
    var scanner = JSONScanner(bytes)
    try scanner.object { (scanner, key) throws(TokenizerError) in
      guard key.elementsEqual("model".utf8) else { return try scanner.skipValue() }
      try scanner.object { (scanner, key) throws(TokenizerError) in
        guard key.elementsEqual("merges".utf8) else { return try scanner.skipValue() }
        try scanner.array { (scanner) throws(TokenizerError) in
          try BytePairModelReader.readPair(&scanner, merges.count, &left, &right)
          merges.append(
            (String(decoding: left, as: UTF8.self), String(decoding: right, as: UTF8.self)))
        }
      }
    }
    return merges
  }
}
