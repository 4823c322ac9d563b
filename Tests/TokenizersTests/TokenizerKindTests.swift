import TestSupport
import Testing
import Tokenizers

/// The registry of kinds, and that what is built on a tokenizer needs the protocol only.
@Suite struct TokenizerKindTests {
  @Test func aKindIsLoadedByItsName() throws {
    let bytes = ModelWriter.small()
    let loaded = try bytes.withUnsafeBytes { try TokenizerKind.load("sentencepiece", $0) }
    #expect(loaded is SentencePieceTokenizer)
    #expect(try loaded.encode("ab a c") == [9, 5, 9, 3, 6])
    #expect(try loaded.decode([1, 9, 5, 9, 2]) == "ab a")
  }

  @Test func anUnknownKindIsRefusedByName() throws {
    let error = #expect(throws: TokenizerError.self) {
      try ModelWriter.small().withUnsafeBytes { try TokenizerKind.load("runes", $0) }
    }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("'runes', expected sentencepiece or bpe") == true)
  }

  @Test func filesAreRecognisedWithoutLoadingThem() {
    let small = ModelWriter.small().withUnsafeBytes { TokenizerKind.recognise($0) }
    #expect(small?.kind == "sentencepiece" && small?.vocabularySize == 11)
    let others: [[UInt8]] = [
      [], Array("{\"type\": \"BPE\"}".utf8), [0x12, 2, 0x18, 2],
      Array(ModelWriter.small().dropLast()),
    ]
    for bytes in others {
      #expect(bytes.withUnsafeBytes { TokenizerKind.recognise($0) } == nil, "\(bytes)")
    }
  }

  @Test func theFingerprintTellsTokenizersApart() throws {
    let small = try tokenizer(ModelWriter.small())
    let again = try tokenizer(ModelWriter.small())
    #expect(small.fingerprint.count == 32)
    #expect(small.fingerprint == again.fingerprint)
    #expect(try small.fingerprint != tokenizer(ModelWriter.small(begin: false)).fingerprint)
  }

  @Test func theBytesOfAnIdAreThoseInTheMidstOfAText() throws {
    let small = try tokenizer(ModelWriter.small())
    #expect(try small.bytes(of: 9) == Array(" a".utf8))
    #expect(try small.bytes(of: 3) == Array(" ".utf8))
    for id in [1, 2, 11, -1] as [Int32] { #expect(try small.bytes(of: id) == []) }
    let digits = Array("0123456789ABCDEF")
    var writer = ModelWriter()
    writer.piece("<unk>", .unknown)
    for byte in 0..<256 { writer.piece("<0x\(digits[byte / 16])\(digits[byte % 16])>", .byte) }
    writer.piece("▁a")
    writer.trainer(algorithm: 2, byteFallback: true)
    let bytes = try tokenizer(writer.bytes)
    for byte in 0..<256 { #expect(try bytes.bytes(of: Int32(byte) + 1) == [UInt8(byte)]) }
    #expect(try bytes.bytes(of: 257) == Array(" a".utf8))
  }

  @Test func segmentsOfAnotherKindGiveTheIdsOfTheWhole() throws {
    let text = "one\ntwo 中\n\nthree\nfour é"
    for allowsCuts in [true, false] {
      for (segment, chunk) in [(1, 1), (3, 2), (5, 100)] {
        var encoder = SegmentedEncoder(
          ByteTokenizer(allowsCuts: allowsCuts), segmentBytes: segment)
        let bytes = Array(text.utf8)
        var ids: [Int32] = []
        for start in stride(from: 0, to: bytes.count, by: chunk) {
          try bytes[start..<min(start + chunk, bytes.count)].withUnsafeBytes {
            ids += try encoder.append($0)
          }
        }
        #expect(allowsCuts != ids.isEmpty)
        #expect(try ids + encoder.finish() == bytes.map(Int32.init))
      }
    }
  }

  @Test func piecesThatEndInsideACharacterAreHeldBack() throws {
    var decoder = StreamingDecoder(ByteTokenizer())
    let (head, tail) = (ByteTokenizer.head, ByteTokenizer.tail)
    #expect(try decoder.append(ByteTokenizer.begin) == "")
    #expect(try decoder.append(0x62) == "b")
    #expect(try decoder.append(head) == "")
    #expect(try decoder.append(tail) == "a中")
    #expect(try decoder.append(contentsOf: [head, tail, head]) == "a中")
    #expect(try decoder.append(0xB8) == "")
    #expect(try decoder.append(0xAD) == "a中")
    #expect(try decoder.append(0xF0) == "")
    #expect(try decoder.finish() == "\u{FFFD}")
    #expect(try ByteTokenizer().decode([head, tail]) == "a中")
    #expect(try ByteTokenizer().decode([head, 999, 0x62]) == "a\u{FFFD}b")
  }

  /// Nothing but words with a space before them: no piece looks alike at the start of a text.
  @Test func aVocabularyOfWordsStreams() throws {
    var writer = ModelWriter()
    writer.piece("<unk>", .unknown)
    for (rank, word) in ["▁", "▁a", "▁b"].enumerated() { writer.piece(word, score: -Float(rank)) }
    writer.trainer(algorithm: 1)
    let words = try tokenizer(writer.bytes)
    var decoder = StreamingDecoder(words)
    #expect(try [2, 3, 2].map { try decoder.append($0) } == ["a", " b", " a"])
    #expect(try words.decode([2, 3, 2]) == "a b a")
    #expect(try words.bytes(of: 3) == Array(" b".utf8))
  }
}
