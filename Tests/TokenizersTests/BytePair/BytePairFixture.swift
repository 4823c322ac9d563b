import Storage
import TestSupport
import Tokenizers

/// A small tokenizer.json, put together member by member.
struct BytePairFixture {
  var pieces: [String]
  var merges: [JSONValue]
  var added: [JSONValue] = []
  /// Other members of the document, and of its member `model`.
  var members: JSONObject = [:]
  var model: JSONObject = ["type": "BPE"]

  /// How byte-level vocabularies spell a byte (the published rule, written anew).
  static func spelling(_ byte: UInt8) -> String {
    let printable: [ClosedRange<UInt8>] = [0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF]
    guard !printable.contains(where: { $0.contains(byte) }) else {
      return String(Unicode.Scalar(byte))
    }
    let others = (0..<byte).filter { other in !printable.contains { $0.contains(other) } }.count
    return String(Unicode.Scalar(0x100 + UInt32(others)) ?? "?")
  }

  /// All bytes, the pieces of some merges, and <|end|> as a special token.
  static func byteLevel() -> BytePairFixture {
    let merges = ["t h", "th e", "Ġ the", "a b", "Ġ a", "1 2", "Ġ Ġ", "Ċ Ċ", "Ã ©"]
    let joined = merges.map { $0.filter { $0 != " " } }
    let bytes = (0...UInt8.max).map(spelling)
    var fixture = BytePairFixture(
      pieces: bytes + joined, merges: merges.map { .string($0) })
    fixture.members["pre_tokenizer"] = [
      "type": "ByteLevel", "add_prefix_space": false, "use_regex": true,
    ]
    fixture.members["decoder"] = ["type": "ByteLevel"]
    fixture.add("<|end|>", special: true)
    return fixture
  }

  /// Letters, "▁" and bytes, as Gemma's and Llama 2's files have them.
  static func spaced(prepends: Bool = true) -> BytePairFixture {
    let digits = Array("0123456789ABCDEF")
    let bytes = (0..<256).map { "<0x\(digits[$0 / 16])\(digits[$0 % 16])>" }
    let letters = ["▁", "a", "b", "c", "t", "h", "e", "é"]
    let merges = ["t h", "th e", "▁ the", "▁ a", "a b", "▁ ▁"]
    var fixture = BytePairFixture(
      pieces: ["<unk>"] + bytes + letters + merges.map { $0.filter { $0 != " " } },
      merges: merges.map { .string($0) })
    let replace: JSONValue = ["type": "Replace", "pattern": ["String": " "], "content": "▁"]
    let prepend: JSONValue = ["type": "Prepend", "prepend": "▁"]
    fixture.members["normalizer"] = [
      "type": "Sequence", "normalizers": .array(prepends ? [prepend, replace] : [replace]),
    ]
    let strip: JSONValue = ["type": "Strip", "content": " ", "start": 1, "stop": 0]
    fixture.members["decoder"] = [
      "type": "Sequence",
      "decoders": .array(
        [
          ["type": "Replace", "pattern": ["String": "▁"], "content": " "],
          ["type": "ByteFallback"], ["type": "Fuse"],
        ] + (prepends ? [strip] : [])),
    ]
    fixture.model["unk_token"] = "<unk>"
    fixture.model["fuse_unk"] = true
    fixture.model["byte_fallback"] = true
    return fixture
  }

  /// Adds a token with an id of its own.
  mutating func add(
    _ content: String, special: Bool = false, word: Bool = false, before: Bool = false,
    after: Bool = false, normalized: Bool = false
  ) {
    added.append([
      "id": .int(pieces.count + added.count), "content": .string(content),
      "special": .bool(special), "single_word": .bool(word), "lstrip": .bool(before),
      "rstrip": .bool(after), "normalized": .bool(normalized),
    ])
  }

  var json: JSONValue {
    var model = self.model
    model["vocab"] = .object(JSONObject(pieces.enumerated().map { ($1, .int($0)) }))
    model["merges"] = .array(merges)
    var object = members
    object["added_tokens"] = .array(added)
    object["model"] = .object(model)
    return .object(object)
  }

  func load() throws -> BytePairTokenizer { try Self.load(json.encoded()) }

  static func load(_ text: String) throws -> BytePairTokenizer {
    try Array(text.utf8).withUnsafeBytes { try BytePairTokenizer(serialized: $0) }
  }
}

extension Tokenizer {
  /// The spellings of a text's ids.
  func pieces(_ text: String) throws -> [String] { try encode(text).map { piece(of: $0) } }
}
