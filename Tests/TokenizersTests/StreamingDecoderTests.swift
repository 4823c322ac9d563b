import Tensors
import TestSupport
import Testing
import Tokenizers

@Suite struct StreamingDecoderTests {
  private func stream(_ tokenizer: any Tokenizer, _ ids: [Int32]) throws -> [String] {
    var decoder = StreamingDecoder(tokenizer)
    var parts = try ids.map { try decoder.append($0) }
    parts.append(try decoder.finish())
    return parts
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func partsJoinToWhatDecodingAtOnceGives() throws {
    let texts = [
      "", " ", "Hello world", "  two leading", "a \u{1F999}\u{1F680} b", "中文字符 and é", "\n\n x",
    ]
    for model in TestModel.allCases {
      let tokenizer = try model.load()
      for text in texts {
        let ids = [1] + (try tokenizer.encode(text)) + [2]
        #expect(try stream(tokenizer, ids).joined() == tokenizer.decode(ids), "\(model) \(text)")
      }
    }
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func randomIdsStreamAsTheyDecode() throws {
    var random = RandomSource(seed: 7)
    for model in TestModel.allCases {
      let tokenizer = try model.load()
      for round in 0..<200 {
        // Every other round mostly bytes, so that characters come whole, cut and wrong.
        let bound = round % 2 == 0 ? tokenizer.vocabularySize : min(264, tokenizer.vocabularySize)
        let ids = (0..<12).map { _ in Int32(random.integer(below: bound)) }
        #expect(try stream(tokenizer, ids).joined() == tokenizer.decode(ids), "\(model) \(ids)")
        var grouped = StreamingDecoder(tokenizer)
        let groups =
          try grouped.append(contentsOf: ids[..<5]) + grouped.append(contentsOf: ids[5...])
        #expect(try groups + grouped.finish() == tokenizer.decode(ids), "\(model) \(ids)")
      }
    }
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func aCharacterAppearsWhenItIsWhole() throws {
    let llama = try TestModel.llama2.load()
    // "▁", then the four bytes of U+1F999.
    let ids = try llama.encode("\u{1F999}")
    #expect(try stream(llama, ids) == ["", "", "", "", "\u{1F999}", ""])
    // Cut short, the bytes become visible at the end.
    #expect(try stream(llama, Array(ids.dropLast())).last == "\u{FFFD}\u{FFFD}\u{FFFD}")
  }

  @Test func theFirstWordLosesItsSpaceUnlessTextStandsBefore() throws {
    let small = try tokenizer(ModelWriter.small())
    #expect(try stream(small, [1, 9, 5, 9, 2]) == ["", "a", "b", " a", "", ""])
    var behind = StreamingDecoder(small, continuing: true)
    #expect(try behind.append(9) == " a")
    #expect(try behind.append(-5) == "")
    #expect(try behind.append(9) == " a")
  }
}
