import Datasets
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Rows stand whole in windows, each target once.
@Suite struct WindowPackingTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Rows of random lengths, each of letters of its own, so that places tell rows apart.
  private func corpus(
    lengths: [Int], window: Int, longRows: LongRows = .split, validation: ValidationSource = .none
  ) throws -> Corpus {
    let lines = lengths.enumerated().map { index, length in
      let letter = Character(Unicode.Scalar(UInt8(97 + index % 26)))
      let completion = String(repeating: letter, count: length)
      return "{\"prompt\": \"\(letter)\", \"completion\": \"\(completion)\"}"
    }
    try folder.write(lines.joined(separator: "\n"), to: "rows.jsonl")
    return try Corpus.prepare(
      train: ["rows.jsonl"], validation: validation, relativeTo: folder.path,
      sequenceLength: window, longRows: longRows, tokenizer: EndingTokenizer(),
      cacheFolder: folder["cache"])
  }

  private func windows(_ stream: TokenStream, _ length: Int) -> [[(Int32, Int32, Int32)]] {
    (0..<stream.windowCount(sequenceLength: length, includePartial: false)).map { window in
      var inputs = [Int32](repeating: -7, count: length)
      var (targets, starts) = (inputs, inputs)
      inputs.withUnsafeMutableBufferPointer { inputs in
        targets.withUnsafeMutableBufferPointer { targets in
          starts.withUnsafeMutableBufferPointer { starts in
            stream.fill(window: window, inputs: inputs, targets: targets, documentStarts: starts)
          }
        }
      }
      return (0..<length).map { (inputs[$0], targets[$0], starts[$0]) }
    }
  }

  @Test func everyRowStaysWholeAndEveryTargetCountsOnce() throws {
    var random = RandomSource(seed: 3)
    for window in [8, 13, 64] {
      // BOS, a prompt of one byte, the completion, EOS: `length` + 2 places.
      let lengths = (0..<200).map { _ in 1 + random.integer(below: window - 2) }
      let stream = try corpus(lengths: lengths, window: window).train
      #expect(stream.scoredCount == lengths.reduce(0) { $0 + $1 + 1 })
      var found: [Int] = []
      var filled = 0
      for (index, places) in windows(stream, window).enumerated() {
        #expect(
          stream.scoredCount(window: index, sequenceLength: window)
            == places.count { $0.1 >= 0 })
        var place = 0
        while place < window, places[place].0 != 0 {
          let row = places[place...].prefix { $0.2 == Int32(place) }
          #expect(row.first?.0 == EndingTokenizer.begin)
          // The prompt's id is a target that does not count; EOS is the last target.
          #expect(row.first?.1 == -1 && row.last?.1 == EndingTokenizer.end)
          #expect(row.dropFirst().allSatisfy { $0.0 == row.dropFirst().first?.0 })
          found.append(row.count - 2)
          place += row.count
        }
        filled += place
        for rest in places[place...] { #expect(rest.1 == -1 && rest.2 == Int32(place)) }
      }
      #expect(found.sorted() == lengths.sorted())
      let report = try #require(stream.packingReport)
      #expect(report.windows * window - report.emptyPlaces == filled)
      // The bound of best fit decreasing: 11/9 of the fewest windows.
      #expect(9 * report.windows <= 11 * ((filled + window - 1) / window) + 36)
    }
  }

  @Test func longRowsAreSplitOrDropped() throws {
    let split = try corpus(lengths: [3, 30, 4], window: 8)
    #expect(split.train.scoredCount == 4 + 31 + 5)
    #expect(split.train.packingReport?.splitRows == 1)
    #expect(split.warnings.first?.contains("1 of 3 training rows are longer") == true)
    let dropped = try corpus(lengths: [3, 30, 4], window: 8, longRows: .drop)
    #expect(dropped.train.scoredCount == 4 + 5)
    #expect(dropped.train.packingReport?.lostTokens == 33)
    #expect(dropped.warnings.first?.contains("were dropped: 33 tokens lost") == true)
    let none = #expect(throws: DatasetError.self) {
      try corpus(lengths: [30, 40], window: 8, longRows: .drop)
    }
    #expect(none?.category == .badData)
    #expect(none?.description.contains("data.long_rows") == true)
    // A row that just fits is not long.
    #expect(try corpus(lengths: [6], window: 8).warnings == [])
    #expect(try corpus(lengths: [7], window: 8).warnings.count == 1)
  }

  @Test func validationIsTheLastRows() throws {
    let corpus = try corpus(lengths: [1, 2, 3, 4, 5], window: 8, validation: .fraction(0.4))
    #expect(corpus.train.documentCount == 3 && corpus.validation?.documentCount == 2)
    #expect(corpus.train.scoredCount == 2 + 3 + 4)
    #expect(corpus.validation?.scoredCount == 5 + 6)
    let lone = try self.corpus(lengths: [5], window: 8, validation: .fraction(0.4))
    #expect(lone.validation == nil)
    #expect(lone.warnings.first?.contains("one row") == true)
  }

  @Test func theHashKnowsWhatWasDropped() throws {
    let streams = try [LongRows.split, .drop].map {
      try corpus(lengths: [3, 30, 4], window: 8, longRows: $0).train
    }
    #expect(streams[0].contentHash() != streams[1].contentHash())
    #expect(streams[0].isSame(as: streams[0]))
  }
}
