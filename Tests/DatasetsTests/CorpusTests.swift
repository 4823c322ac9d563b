import Datasets
import TestSupport
import Testing
import Tokenizers

@Suite struct CorpusTests {
  private let folder: TemporaryFolder
  private let tokenizer: any Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try Self.tokenizer(SmallModel.bytes())
  }

  private static func tokenizer(_ bytes: [UInt8]) throws -> SentencePieceTokenizer {
    try bytes.withUnsafeBytes { try SentencePieceTokenizer(serialized: $0) }
  }

  private func prepare(
    _ train: [String], _ validation: ValidationSource = .none, length: Int = 2,
    separator: String? = nil, appendEOS: Bool = false, tokenizer other: (any Tokenizer)? = nil,
    progress: TextProgress = { _, _ in }
  ) throws -> Corpus {
    try Corpus.prepare(
      train: train, validation: validation, relativeTo: folder.path, sequenceLength: length,
      separator: separator, appendEOS: appendEOS, tokenizer: other ?? tokenizer,
      cacheFolder: folder["cache"], progress: progress)
  }

  private func ids(_ stream: TokenStream?) -> [Int32] {
    guard let stream else { return [] }
    return (0..<stream.count).map { stream[$0] }
  }

  /// BOS + encode(text) (+ EOS), document by document.
  private func reference(
    _ documents: [String], _ tokenizer: any Tokenizer, appendEOS: Bool = false
  ) throws -> [Int32] {
    try documents.flatMap { document in
      [tokenizer.beginOfSequence].compactMap { $0 } + (try tokenizer.encode(document))
        + (appendEOS ? [tokenizer.endOfSequence].compactMap { $0 } : [])
    }
  }

  @Test func documentsJoinToOneStream() throws {
    try folder.write("ab a", to: "t/2.txt")
    try folder.write("c\n", to: "t/1.txt")
    let corpus = try prepare(["t"])
    #expect(try ids(corpus.train) == reference(["c\n", "ab a"], tokenizer))
    #expect(corpus.train.documentCount == 2)
    #expect(corpus.trainBytes == 6)
    #expect(corpus.validation == nil)
    #expect(corpus.validationBytes == 0)
    let ended = try prepare(["t"], appendEOS: true)
    #expect(try ids(ended.train) == reference(["c\n", "ab a"], tokenizer, appendEOS: true))
    #expect(ids(ended.train).last == tokenizer.endOfSequence)
  }

  @Test func documentStartsAreThoseOfTheDocuments() throws {
    try folder.write("ab|c c|d", to: "t.txt")
    let stream = try prepare(["t.txt"], separator: "|").train
    let documents = try ["ab", "c c", "d"].map { try reference([$0], tokenizer).count }
    let length = stream.count - 1
    var starts = [Int32](repeating: -9, count: length)
    var inputs = starts
    var targets = starts
    inputs.withUnsafeMutableBufferPointer { inputs in
      targets.withUnsafeMutableBufferPointer { targets in
        starts.withUnsafeMutableBufferPointer { starts in
          stream.fill(window: 0, inputs: inputs, targets: targets, documentStarts: starts)
        }
      }
    }
    var expected: [Int32] = []
    for count in documents {
      expected += [Int32](repeating: Int32(expected.count), count: count)
    }
    #expect(starts == expected.dropLast())
    #expect(stream.bytes == 6)
  }

  @Test func validationIsTheLastDocuments() throws {
    let documents = (0..<10).map { ["a", "b", "c", "ab", "d"][$0 % 5] + " a" }
    try folder.write(documents.joined(separator: "|"), to: "t.txt")
    for (share, held) in [(0.1, 1), (0.01, 1), (0.24, 2), (0.25, 3), (0.5, 5), (0.99, 9)] {
      let corpus = try prepare(["t.txt"], .fraction(share), separator: "|")
      #expect(try ids(corpus.train) == reference(documents.dropLast(held), tokenizer), "\(share)")
      #expect(try ids(corpus.validation) == reference(documents.suffix(held), tokenizer))
      #expect(corpus.validation?.documentCount == held)
      #expect(corpus.train.documentCount == 10 - held)
      #expect(corpus.validationBytes == documents.suffix(held).reduce(0) { $0 + $1.utf8.count })
      #expect(corpus.trainBytes == documents.dropLast(held).reduce(0) { $0 + $1.utf8.count })
    }
    #expect(try prepare(["t.txt"], .fraction(0), separator: "|").validation == nil)
    for share in [1, -0.1, .nan, 1.5] {
      let error = #expect(throws: DatasetError.self) { try prepare(["t.txt"], .fraction(share)) }
      #expect(error?.category == .usage)
    }
  }

  @Test func aLoneDocumentGivesItsTail() throws {
    let text = "ab cd a b c d e ab ab"
    try folder.write(text, to: "t.txt")
    let all = try reference([text], tokenizer)
    let corpus = try prepare(["t.txt"], .fraction(0.25))
    let held = Int((0.25 * Double(all.count)).rounded())
    #expect(ids(corpus.train) == Array(all.dropLast(held)))
    #expect(ids(corpus.validation) == Array(all.suffix(held)))
    #expect(corpus.trainBytes + corpus.validationBytes == text.utf8.count)
    let tail =
      try tokenizer.decode([10] + all.suffix(held)).utf8.count
      - tokenizer.decode([10]).utf8.count
    #expect(corpus.validationBytes == tail)
  }

  @Test func validationOfItsOwn() throws {
    try folder.write("ab ab ab", to: "t.txt")
    try folder.write("c c c", to: "v.txt")
    let corpus = try prepare(["t.txt"], .files(["v.txt"]))
    #expect(try ids(corpus.validation) == reference(["c c c"], tokenizer))
    #expect(corpus.warnings == [])
    let same = try prepare(["t.txt"], .files(["*.txt"]))
    #expect(same.warnings.count == 1)
    #expect(same.warnings.first?.contains("both training and validation") == true)
    #expect(throws: DatasetError.self) { try prepare(["t.txt"], .files(["nowhere"])) }
  }

  @Test func tooLittleTextSaysHowMuchIsNeeded() throws {
    try folder.write("ab", to: "t.txt")
    let error = #expect(throws: DatasetError.self) { try prepare(["t.txt"], length: 64) }
    guard case .tooShort("training", 3, 65, 64) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("lower sequence_length") == true)
    #expect(try prepare(["t.txt"], length: 2).train.count == 3)
    for blank in ["", " \n "] {
      try folder.write(blank, to: "blank.txt")
      #expect(throws: DatasetError.self) { try prepare(["blank.txt"], separator: "|") }
    }
    try folder.write("a a a a a a|b", to: "two.txt")
    let short = try prepare(["two.txt"], .fraction(0.5), length: 4, separator: "|")
    #expect(short.warnings.first?.contains("shorter than a window") == true)
  }

  @Test func withoutBOSAndEOSDocumentsStartBare() throws {
    let bare = try Self.tokenizer(SmallModel.bytes(begin: false))
    try folder.write("ab|  |c", to: "t.txt")
    let corpus = try prepare(["t.txt"], separator: "|", tokenizer: bare)
    #expect(try ids(corpus.train) == bare.encode("ab") + bare.encode("c"))
    let error = #expect(throws: DatasetError.self) {
      try prepare(["t.txt"], appendEOS: true, tokenizer: bare)
    }
    #expect(error?.category == .usage)
    // Text of nothing but white space gives no id here, and so no document.
    try folder.write("   ", to: "u/1.txt")
    try folder.write("ab ab", to: "u/2.txt")
    #expect(try prepare(["u"], tokenizer: bare).train.documentCount == 1)
  }

  /// Any tokenizer will do.
  @Test func textOfAnotherTokenizer() throws {
    try folder.write("one 中|two", to: "t.txt")
    let corpus = try prepare(["t.txt"], separator: "|", tokenizer: ByteTokenizer())
    let documents = ["one 中", "two"].flatMap { [ByteTokenizer.begin] + $0.utf8.map(Int32.init) }
    #expect((0..<corpus.train.count).map { corpus.train[$0] } == documents)
    #expect(throws: DatasetError.self) {
      try prepare(["t.txt"], appendEOS: true, tokenizer: ByteTokenizer())
    }
  }
}
