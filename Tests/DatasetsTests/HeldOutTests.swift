import Datasets
import TestSupport
import Testing
import Tokenizers

/// How much of a text a fraction holds out.
@Suite struct HeldOutTests {
  private let folder: TemporaryFolder
  private let tokenizer = ByteTokenizer()

  init() throws { folder = try TemporaryFolder() }

  /// A printable character, drawn by a linear congruential generator.
  private static func letter(_ place: Int, seed: Int) -> UInt8 {
    var state = UInt64(place * 1000 + seed)
    for _ in 0..<3 { state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407 }
    return 33 + UInt8((state >> 40) % 90)
  }

  /// A corpus of documents of so many ids (BOS and letters).
  private func corpus(
    _ counts: [Int], share: Double, window: Int = 16
  ) throws -> Corpus {
    for (index, count) in counts.enumerated() {
      // Letters of their own, so that nothing repeats.
      let letters = (0..<count - 1).map { Self.letter($0, seed: index) }
      let name = "\(1000 + index)"
      try folder.write(letters, to: "\(counts.count)-\(counts[0])/\(name).txt")
    }
    return try Corpus.prepare(
      train: ["\(counts.count)-\(counts[0])"], validation: .fraction(share),
      relativeTo: folder.path, sequenceLength: window,
      tokenizer: tokenizer, cacheFolder: folder["cache"])
  }

  @Test func aLongLastDocumentIsCut() throws {
    // By documents, half of them, it would be 980 of 1000.
    let corpus = try corpus([20, 980], share: 0.1)
    let amounts = corpus.amounts(sequenceLength: 16)
    #expect(amounts.trainedWindows == 56 && amounts.trainedTokens == 897)
    #expect(amounts.droppedTokens == 0 && amounts.heldOutTokens == 103)
    #expect(amounts.trainedDocuments == 2 && amounts.heldOutDocuments == 1)
    #expect(corpus.train.bytes + (corpus.validation?.bytes ?? 0) == 998)
    #expect(corpus.validation?.bytes == 103)
  }

  @Test func aShortLastDocumentIsNotAll() throws {
    // By documents it would be 20 of 1000.
    let amounts = try corpus([980, 20], share: 0.1).amounts(sequenceLength: 16)
    #expect(amounts.heldOutTokens == 103 && amounts.heldOutDocuments == 2)
    #expect(amounts.trainedDocuments == 1)
  }

  @Test func documentsStayWholeWhereTheyComeNear() throws {
    // Twenty alike: the last two, as ever.
    let alike = try corpus([Int](repeating: 50, count: 20), share: 0.1)
    #expect(alike.validation?.count == 100 && alike.validation?.documentCount == 2)
    // One document would be 4 %, but five come near 10 %.
    let short = try corpus([300, 300, 300] + [20, 20, 20, 20, 20], share: 0.1)
    #expect(short.validation?.count == 100 && short.validation?.documentCount == 5)
  }

  @Test(arguments: [0.01, 0.05, 0.1, 0.3, 0.5, 0.9])
  func atMostAWindowMoreOrHalfAsMuchAgain(_ share: Double) throws {
    for counts in [[20, 2000], [2000, 20], [500, 20, 900, 20, 600], [40, 50, 60, 3000, 10]] {
      let corpus = try corpus(counts, share: share)
      let all = Double(counts.reduce(0, +))
      let held = Double(corpus.validation?.count ?? 0)
      #expect(held >= 0.5 * share * all, "\(counts)")
      #expect(held <= max(1.5 * share * all, share * all + 16), "\(counts)")
      #expect(corpus.train.count + Int(held) == Int(all))
    }
  }

  @Test func tooLittleToTrainOnIsAnError() throws {
    let error = #expect(throws: DatasetError.self) { try corpus([10, 10], share: 0.5) }
    #expect(error?.description.contains("expected at least 17") == true)
  }

  @Test func theTextsEndFillsNoWindow() throws {
    let amounts = try corpus([30, 30], share: 0).amounts(sequenceLength: 16)
    #expect(amounts.trainedWindows == 3 && amounts.trainedTokens == 49)
    #expect(amounts.droppedTokens == 11 && amounts.heldOutTokens == 0)
  }

  @Test func rowsAreNeverCut() throws {
    let rows = (0..<4).map { index in
      "{\"text\": \"\(String(repeating: "\(index)", count: 10))\"}"
    }
    let pair = #"{"prompt": "p", "completion": ""# + String(repeating: "x", count: 900) + "\"}"
    try folder.write(rows.joined(separator: "\n"), to: "r/1.jsonl")
    try folder.write("\(pair)\n\(pair)", to: "r/2.jsonl")
    let corpus = try Corpus.prepare(
      train: ["r"], validation: .fraction(0.1), relativeTo: folder.path, sequenceLength: 16,
      tokenizer: EndingTokenizer(), cacheFolder: folder["cache"])
    #expect(corpus.validation?.documentCount == 1 && corpus.train.documentCount == 5)
  }

  @Test func whatRepeatsTheTrainingTextIsSaid() throws {
    func text(_ seed: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { Self.letter($0, seed: seed) }
    }
    func warnings(_ held: [UInt8]) throws -> [String] {
      try folder.write(text(1, 3000), to: "train.txt")
      try folder.write(held, to: "held.txt")
      return try Corpus.prepare(
        train: ["train.txt"], validation: .files(["held.txt"]), relativeTo: folder.path,
        sequenceLength: 16, tokenizer: tokenizer, cacheFolder: folder["cache"]
      ).warnings
    }
    #expect(try warnings(text(50, 2000)) == [])
    // Half of it, from the middle of the training text.
    let half = try warnings(Array(text(1, 3000)[777..<1777]) + text(50, 1000))
    #expect(half.count == 1 && half[0].contains("the training text too"))
    let percent = Double(half[0].split(separator: " ")[0]) ?? 0
    #expect((40...55).contains(percent), "\(half[0])")
  }
}
