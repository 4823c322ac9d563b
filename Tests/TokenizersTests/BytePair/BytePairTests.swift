import Storage
import Tensors
import TestSupport
import Testing
import Tokenizers

@Suite struct BytePairTests {
  @Test func wordsAreMergedByRank() throws {
    let small = try BytePairFixture.byteLevel().load()
    #expect(try small.pieces("the the") == ["the", "Ġthe"])
    #expect(try small.pieces(" ab  the12\n\n") == ["Ġ", "ab", "Ġ", "Ġthe", "12", "ĊĊ"])
    #expect(try small.pieces("é") == ["Ã©"])
    #expect(try small.encode("") == [])
    #expect(small.vocabularySize == 266 && small.beginOfSequence == nil)
    #expect(!small.isUnused(265) && !small.isUnused(266))
  }

  /// Scanning a short word and the heap of a long one against the rule itself.
  @Test func longWordsAreMergedByTheSameRule() throws {
    var random = RandomSource(seed: 5)
    let letters = ["a", "b", "c", "d"]
    for _ in 0..<6 {
      var fixture = BytePairFixture.byteLevel()
      var ranks: [String: Int] = [:]
      var pool = letters
      for _ in 0..<40 {
        let (left, right) = (
          pool[random.integer(below: pool.count)], pool[random.integer(below: pool.count)]
        )
        guard ranks["\(left) \(right)"] == nil, !fixture.pieces.contains(left + right) else {
          continue
        }
        ranks["\(left) \(right)"] = fixture.merges.count
        fixture.merges.append(.string("\(left) \(right)"))
        fixture.pieces.append(left + right)
        pool.append(left + right)
      }
      fixture.added = []
      let tokenizer = try fixture.load()
      let ranked = Dictionary(
        uniqueKeysWithValues: fixture.merges.enumerated().map { ($1.string ?? "", $0) })
      for count in [1, 2, 3, 31, 32, 33, 65, 200] {
        let word = (0..<count).map { _ in letters[random.integer(below: 4)] }
        var symbols = word
        while true {
          let pairs = zip(symbols, symbols.dropFirst()).map { ranked["\($0) \($1)"] ?? .max }
          guard let best = pairs.min(), best < .max, let place = pairs.firstIndex(of: best) else {
            break
          }
          symbols[place] += symbols.remove(at: place + 1)
        }
        #expect(try tokenizer.pieces(word.joined()) == symbols)
      }
    }
  }

  @Test func textThatSpellsAControlTokenIsText() throws {
    var fixture = BytePairFixture.byteLevel()
    // Even where merges would make it.
    fixture.pieces += ["<|", "<|e", "end|>"]
    fixture.merges += ["< |", "<| e"]
    fixture.added[0] = fixture.added[0].replacing(id: fixture.pieces.count)
    let small = try fixture.load()
    let id = try #require(small.controlID("<|end|>"))
    #expect(small.isControl(id))
    #expect(small.bytes(of: id) == [])
    #expect(small.controlID("the") == nil && small.controlID("<|") == nil)
    #expect(try !small.encode("a<|end|>b").contains(id))
    #expect(try small.decode(small.encode("a<|end|>b")) == "a<|end|>b")
    #expect(try small.decode([id, 97, id]) == "a")
  }

  @Test func aMergeThatMakesAControlTokenIsLeftOut() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.pieces += ["<s", "<s>"]
    fixture.merges += ["< s", "<s >"]
    fixture.added = [["id": .int(fixture.pieces.count - 1), "content": "<s>", "special": true]]
    fixture.members["pre_tokenizer"] = [
      "type": "ByteLevel", "add_prefix_space": false, "use_regex": false,
    ]
    #expect(try fixture.load().pieces("<s>") == ["<s", ">"])
    fixture.model["ignore_merges"] = true
    #expect(try fixture.load().pieces("<s>") == ["<s", ">"])
  }

  @Test func otherAddedTokensAreFoundInText() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.add("##")
    fixture.add("###")
    fixture.add("cat", word: true)
    fixture.add("~~", before: true, after: true)
    let small = try fixture.load()
    #expect(try small.pieces("a####b") == ["a", "###", "#", "b"])
    #expect(
      try small.pieces("cat cats éxcat_ cat") == [
        "cat", "Ġ", "c", "a", "t", "s", "Ġ", "Ã©", "x", "c", "a", "t", "_", "Ġ", "cat",
      ])
    #expect(try small.pieces("a  ~~ \u{3000}the") == ["a", "~~", "the"])
    #expect(try small.decode(small.encode("a####b")) == "a####b")
    // What spells a special token holds no other.
    fixture.add("<##>", special: true)
    #expect(try fixture.load().pieces("<##>") == ["<", "#", "#", ">"])
  }

  /// Gemma has "▁▁" among its added tokens: two spaces, as Hugging Face's decoder says.
  @Test func spelledSpacesInAddedTokensAreSpaces() throws {
    var fixture = BytePairFixture.spaced(prepends: false)
    fixture.add("▁▁▁")
    let three = Int32(fixture.pieces.count)
    fixture.added.append(["id": 66, "content": "<0x41>", "special": false])
    let gemma = try fixture.load()
    #expect(
      try gemma.decode([258, three, 258]) == "a   a" && gemma.bytes(of: three) == [32, 32, 32])
    #expect(try gemma.decode([66]) == "A")
    // Byte-level, an added token is not spelled by the characters that stand for bytes.
    var bytes = BytePairFixture.byteLevel()
    bytes.add("é Ġ")
    #expect(try bytes.load().decode(bytes.load().encode("aé Ġb")) == "aé Ġb")
  }

  @Test func addedTokensAreFoundBySpellingEvenIfTextMaySpellThem() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.add("<|im_start|>", after: true)
    let small = try fixture.load()
    let id = try #require(small.controlID("<|im_start|>"))
    #expect(try small.encode("<|im_start|>") == [id] && !small.isControl(id))
    #expect(small.spaces(of: id) == ControlSpaces(before: false, after: true))
    #expect(small.spaces(of: 97) == nil && small.controlID("a") == nil)
  }

  @Test func wholeWordsMayGoBeforeMerges() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.added = []
    fixture.pieces.append("Ġbath")
    #expect(try fixture.load().pieces(" bath") == ["Ġ", "b", "a", "th"])
    fixture.model["ignore_merges"] = true
    #expect(try fixture.load().pieces(" bath") == ["Ġbath"])
  }

  @Test func whatTheVocabularyLacksBecomesBytesOrUnknown() throws {
    var fixture = BytePairFixture.spaced()
    #expect(try fixture.load().pieces("é中") == ["▁", "é", "<0xE4>", "<0xB8>", "<0xAD>"])
    #expect(try fixture.load().decode(fixture.load().encode("the é中 a")) == "the é中 a")
    fixture.model["byte_fallback"] = false
    #expect(try fixture.load().pieces("中文 a") == ["▁", "<unk>", "▁a"])
    fixture.model["fuse_unk"] = false
    #expect(try fixture.load().pieces("中文 a") == ["▁", "<unk>", "<unk>", "▁a"])
    #expect(try fixture.load().unknown == 0)
    fixture.model["unk_token"] = nil
    #expect(try fixture.load().pieces("中文 a") == ["▁", "▁a"])
  }

  @Test func spacesAreSpelledAsTheFileSays() throws {
    let legacy = try BytePairFixture.spaced().load()
    #expect(try legacy.pieces("the  a") == ["▁the", "▁", "▁a"])
    #expect(try legacy.decode(try legacy.encode(" the  a")) == " the  a")
    let gemma = try BytePairFixture.spaced(prepends: false).load()
    #expect(try gemma.pieces("the a") == ["the", "▁a"])
    #expect(try gemma.decode(gemma.encode(" the")) == " the")
    var fixture = BytePairFixture.spaced()
    fixture.members["normalizer"] = .null
    func pieces(_ prefix: String, split: Bool) throws -> [String] {
      fixture.members["pre_tokenizer"] = [
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": .string(prefix),
        "split": .bool(split),
      ]
      return try fixture.load().pieces("the  a#the")
    }
    fixture.add("#")
    let end = ["▁", "▁a", "#"]
    #expect(try pieces("always", split: false) == ["▁the"] + end + ["▁the"])
    #expect(try pieces("first", split: true) == ["▁the"] + end + ["the"])
    #expect(try pieces("never", split: true) == ["the"] + end + ["the"])
  }

  /// Behind other text, nothing puts a space before the first word.
  @Test func textThatGoesOnGetsNoSpaceOfItsOwn() throws {
    func continuing(_ fixture: BytePairFixture, _ text: String) throws -> [String] {
      let tokenizer = try fixture.load()
      let ids = try Array(text.utf8).withUnsafeBytes { try tokenizer.encodeContinuing(utf8: $0) }
      return ids.map { tokenizer.piece(of: $0) }
    }
    var fixture = BytePairFixture.spaced()
    #expect(try continuing(fixture, "the a") == ["the", "▁a"])
    fixture.add("#")
    #expect(try continuing(fixture, "the#the") == ["the", "#", "▁the"])
    #expect(try continuing(fixture, "#the") == ["#", "▁the"])
    fixture.members["normalizer"] = .null
    fixture.members["pre_tokenizer"] = ["type": "Metaspace", "replacement": "▁"]
    #expect(try continuing(fixture, "the a") == ["the", "▁a"])
    var bytes = BytePairFixture.byteLevel()
    #expect(try continuing(bytes, "the the") == ["the", "Ġthe"])
    bytes.members["pre_tokenizer"] = ["type": "ByteLevel", "add_prefix_space": true]
    #expect(try continuing(bytes, "the the") == ["the", "Ġthe"])
  }

  @Test func textIsComposedWhereTheFileSays() throws {
    var fixture = BytePairFixture.byteLevel()
    #expect(try fixture.load().pieces("e\u{301}") == ["e", "Ì", "ģ"])
    fixture.members["normalizer"] = ["type": "NFC"]
    #expect(try fixture.load().pieces("e\u{301}") == ["Ã©"])
  }

  @Test func splitsBehaveAsTheirNamesSay() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.pieces += ["a-", "-a", "--"]
    fixture.merges += ["a -", "- a", "- -"]
    fixture.added = []
    func pieces(_ behavior: String, inverted: Bool = false) throws -> [String] {
      fixture.members["pre_tokenizer"] = [
        "type": "Sequence",
        "pretokenizers": [
          [
            "type": "Split", "pattern": ["String": "-"], "behavior": .string(behavior),
            "invert": .bool(inverted),
          ],
          ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
        ],
      ]
      return try fixture.load().pieces("a--a-")
    }
    #expect(try pieces("Isolated") == ["a", "-", "-", "a", "-"])
    #expect(try pieces("Removed") == ["a", "a"])
    #expect(try pieces("Removed", inverted: true) == ["-", "-", "-"])
    #expect(try pieces("MergedWithPrevious") == ["a-", "-", "a-"])
    #expect(try pieces("MergedWithNext") == ["a", "-", "-a", "-"])
    #expect(try pieces("Contiguous") == ["a", "--", "a", "-"])
  }

  @Test func theTemplateNamesWhatBeginsAndEndsATextWhole() throws {
    var fixture = BytePairFixture.byteLevel()
    fixture.add("<s>", special: true)
    fixture.members["post_processor"] = [
      "type": "Sequence",
      "processors": [
        ["type": "ByteLevel"],
        [
          "type": "TemplateProcessing",
          "single": [
            ["SpecialToken": ["id": "<s>", "type_id": 0]],
            ["Sequence": ["id": "A", "type_id": 0]],
            ["SpecialToken": ["id": "<|end|>", "type_id": 0]],
          ],
        ],
      ],
    ]
    let small = try fixture.load()
    #expect(small.beginOfSequence == small.controlID("<s>"))
    #expect(small.endOfSequence == small.controlID("<|end|>"))
    let settled = SettledTokenizer(
      small, beginOfSequence: nil, endOfSequence: 97, endsOfText: [97])
    #expect(settled.beginOfSequence == nil && settled.endOfSequence == 97)
    #expect(settled.fingerprint != small.fingerprint)
    #expect(try settled.encode("the") == small.encode("the"))
  }

  @Test func partsOfCharactersAreHeldBack() throws {
    let small = try BytePairFixture.byteLevel().load()
    let text = "é中🙂 the"
    let ids = try small.encode(text)
    var decoder = StreamingDecoder(small)
    var streamed: [String] = []
    for id in ids { streamed.append(try decoder.append(id)) }
    #expect(streamed.joined() == text)
    #expect(streamed.allSatisfy { !$0.contains("\u{FFFD}") })
    #expect(try small.decode(Array(ids.prefix(2))) == "é\u{FFFD}")
    #expect(try small.decode([97, 99_999, 98]) == "ab")
  }

  @Test func severalThreadsMayEncodeAtOnce() async throws {
    let small = try BytePairFixture.byteLevel().load()
    let texts = (0..<16).map { "the text number \($0) ab the é" }
    let expected = try texts.map { try small.encode($0) }
    let found = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for (index, text) in texts.enumerated() {
        group.addTask {
          for _ in 0..<20 { _ = try small.encode(text) }
          small.releaseCaches()
          return (index, try small.encode(text))
        }
      }
      var result = [[Int32]](repeating: [], count: texts.count)
      for try await (index, ids) in group { result[index] = ids }
      return result
    }
    #expect(found == expected)
  }
}

extension JSONValue {
  /// An added token with another id.
  fileprivate func replacing(id: Int) -> JSONValue {
    var object = self.object ?? [:]
    object["id"] = .int(id)
    return .object(object)
  }
}
