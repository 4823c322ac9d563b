import Storage

// The stored form of a byte-level vocabulary: a tokenizer.json that says the same.
extension VocabularyTable {
  /// - Throws: `TokenizerError.invalidTable` for rules of splitting that are not known, and a table
  ///   without merges.
  func bytePairJSON() throws(TokenizerError) -> [UInt8] {
    let name = preTokenizer ?? "default"
    guard let steps = ByteLevelSplits.all[name] else {
      throw .invalidTable(
        field: "tokenizer.ggml.pre", found: "'\(name.prefix(60))', which is not supported",
        expected: ByteLevelSplits.all.keys.sorted().joined(separator: ", "))
    }
    guard !merges.isEmpty else {
      throw .invalidTable(field: "tokenizer.ggml.merges", found: "none", expected: "merges")
    }
    let members = [
      "\"version\":\"1.0\"", "\"added_tokens\":\(addedTokens().encoded())",
      "\"normalizer\":\(ByteLevelSplits.composing.contains(name) ? "{\"type\":\"NFC\"}" : "null")",
      "\"pre_tokenizer\":\(Self.splits(steps).encoded())",
      "\"post_processor\":\(try template(name).encoded())",
      "\"decoder\":\(Self.byteLevel.encoded())",
      "\"model\":\(bytePairModel(takesWholeWords: ByteLevelSplits.takingWholeWords.contains(name)))",
    ]
    return Array("{\(members.joined(separator: ",\n"))}\n".utf8)
  }

  private static let byteLevel: JSONValue = [
    "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
  ]

  private static func splits(_ steps: [ByteLevelSplits.Step]) -> JSONValue {
    let splits = steps.map { step -> JSONValue in
      [
        "type": "Split", "pattern": ["Regex": .string(step.pattern)], "behavior": "Isolated",
        "invert": false,
      ]
    }
    return ["type": "Sequence", "pretokenizers": .array(splits + [byteLevel])]
  }

  private func addedTokens() -> JSONValue {
    var tokens: [JSONValue] = []
    for id in pieces.indices {
      let type = type(of: id)
      guard [PieceType.control, PieceType.unknown, PieceType.userDefined].contains(type) else {
        continue
      }
      tokens.append([
        "id": .int(id), "content": .string(pieces[id]), "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": .bool(type != PieceType.userDefined),
      ])
    }
    return .array(tokens)
  }

  /// The special tokens around a text.
  private func template(_ name: String) throws(TokenizerError) -> JSONValue {
    var single: [JSONValue] = [["Sequence": ["id": "A", "type_id": 0]]]
    var special = JSONObject()
    func piece(_ id: Int32) -> JSONValue {
      let content = JSONValue.string(pieces[Int(id)])
      special[pieces[Int(id)]] = [
        "id": content, "ids": [.int(Int(id))], "tokens": [content],
      ]
      return ["SpecialToken": ["id": content, "type_id": 0]]
    }
    if let begin = beginOfSequence,
      addsBeginOfSequence ?? ByteLevelSplits.addingBegin.contains(name)
    {
      single.insert(piece(begin), at: 0)
    }
    if let end = endOfSequence, addsEndOfSequence ?? false { single.append(piece(end)) }
    return [
      "type": "TemplateProcessing", "single": .array(single),
      "pair": .array(single + [["Sequence": ["id": "B", "type_id": 1]]]),
      "special_tokens": .object(special),
    ]
  }

  /// Written as text at once: as values, a large vocabulary would take many times its size.
  private func bytePairModel(takesWholeWords: Bool) -> String {
    var text = """
      {"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,\
      "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,\
      "ignore_merges":\(takesWholeWords),"vocab":{
      """
    for (id, piece) in pieces.enumerated() {
      text += "\(id == 0 ? "" : ",\n")\(JSONValue.string(piece).encoded()):\(id)"
    }
    text += "},\"merges\":["
    for (rank, merge) in merges.enumerated() {
      text += "\(rank == 0 ? "" : ",\n")\(JSONValue.string(merge).encoded())"
    }
    return text + "]}"
  }
}
