import Datasets
import Tensors
import Testing

@Suite struct TokenStreamTests {
  private struct Window: Equatable {
    var inputs: [Int32], targets: [Int32], starts: [Int32]
  }

  private func fill(_ stream: TokenStream, _ window: Int, _ length: Int) -> Window {
    // A wrong write shows as one of these.
    var result = Window(
      inputs: .init(repeating: -7, count: length), targets: .init(repeating: -7, count: length),
      starts: .init(repeating: -7, count: length))
    result.inputs.withUnsafeMutableBufferPointer { inputs in
      result.targets.withUnsafeMutableBufferPointer { targets in
        result.starts.withUnsafeMutableBufferPointer { starts in
          stream.fill(window: window, inputs: inputs, targets: targets, documentStarts: starts)
        }
      }
    }
    return result
  }

  /// The contract, literally: window i holds the ids [i·S, i·S + S].
  private func windows(_ ids: [Int32], _ starts: [Int], _ length: Int) -> [Window] {
    var result: [Window] = []
    var first = 0
    while first + 1 < ids.count {
      let held = Array(ids[first..<min(first + length + 1, ids.count)])
      let filled = held.count - 1
      let padding = length - filled
      let begins = (first..<first + filled).map { place in
        Int32(max(0, (starts.last { $0 <= place } ?? 0) - first))
      }
      result.append(
        Window(
          inputs: held.dropLast() + [Int32](repeating: 0, count: padding),
          targets: held.dropFirst() + [Int32](repeating: -1, count: padding),
          starts: begins + [Int32](repeating: Int32(filled), count: padding)))
      first += length
    }
    return result
  }

  @Test func windowsAreThoseOfTheContract() {
    var random = RandomSource(seed: 1)
    for count in 0..<40 {
      let ids = (0..<count).map { Int32($0 + 100) }
      let starts = (0..<count).filter { $0 == 0 ? count % 2 == 0 : random.uniform() < 0.3 }
      let stream = TokenStream(ids: ids, documentStarts: starts, bytes: 0)
      #expect(stream.count == count)
      for length in 1...12 {
        let expected = windows(ids, starts, length)
        #expect(stream.windowCount(sequenceLength: length, includePartial: true) == expected.count)
        #expect(
          stream.windowCount(sequenceLength: length, includePartial: false)
            == expected.count { !$0.targets.contains(-1) })
        for (index, window) in expected.enumerated() {
          #expect(fill(stream, index, length) == window, "\(count) ids, window \(index)")
        }
      }
    }
  }

  @Test func aSmallExampleSpelledOut() {
    let stream = TokenStream(ids: [1, 5, 6, 1, 7, 8, 9], documentStarts: [0, 3], bytes: 10)
    #expect(stream.documentCount == 2)
    #expect(stream[3] == 1)
    #expect(
      fill(stream, 0, 4)
        == Window(inputs: [1, 5, 6, 1], targets: [5, 6, 1, 7], starts: [0, 0, 0, 3]))
    #expect(
      fill(stream, 1, 4)
        == Window(inputs: [7, 8, 0, 0], targets: [8, 9, -1, -1], starts: [0, 0, 2, 2]))
    #expect(stream.windowCount(sequenceLength: 4, includePartial: false) == 1)
  }

  @Test func targetsThatDoNotCountAreMinusOne() {
    let ids = (0..<8).map { Int32($0 + 100) }
    let scored = [true, true, false, false, true, false, false, true]
    let stream = TokenStream(ids: ids, documentStarts: [0], bytes: 0, scored: scored)
    #expect(fill(stream, 0, 3).targets == [101, -1, -1])
    #expect(fill(stream, 0, 3).inputs == [100, 101, 102])
    #expect(fill(stream, 2, 3).targets == [107, -1, -1])
    #expect((0..<3).map { stream.scoredCount(window: $0, sequenceLength: 3) } == [1, 1, 1])
    #expect(stream.scoredCount == 3)
    #expect(stream.scoredCount(windows: [0, 2], sequenceLength: 3) == 2)
    let plain = TokenStream(ids: ids, documentStarts: [0], bytes: 0)
    #expect((0..<3).map { plain.scoredCount(window: $0, sequenceLength: 3) } == [3, 3, 1])
    #expect(plain.scoredCount == 7)
    #expect(TokenStream(ids: [1], documentStarts: [0], bytes: 0).scoredCount == 0)
    #expect(plain.contentHash() != stream.contentHash())
  }
}

extension TokenStreamTests {
  @Test func piecesByFrequency() {
    let stream = TokenStream(ids: [4, 1, 4, 2, 1, 4, 0], documentStarts: [0], bytes: 0)
    #expect(stream.pieceFrequencies(vocabularySize: 7) == [1, 2, 1, 0, 3, 0, 0])
    #expect(stream.rowsByFrequency(vocabularySize: 7) == [4, 1, 0, 2, 3, 5, 6])
    let none = TokenStream(ids: [], documentStarts: [], bytes: 0)
    #expect(none.rowsByFrequency(vocabularySize: 3) == [0, 1, 2])
  }

  /// Longer than what is counted before pages are released.
  @Test func frequenciesOfALongStream() {
    let ids = (0..<(1 << 20) + 5).map { Int32($0 % 3 == 0 ? 2 : 1) }
    let counts = TokenStream(ids: ids, documentStarts: [0], bytes: 0)
      .pieceFrequencies(vocabularySize: 3)
    #expect(counts.reduce(0, +) == ids.count)
    #expect(counts == [0, ids.count { $0 == 1 }, ids.count { $0 == 2 }])
  }
}

@Suite struct BatchOrderTests {
  @Test func withoutShufflingWindowsRunInOrder() {
    var order = BatchOrder(windowCount: 5, seed: 1, shuffle: false)
    #expect((0..<12).map { order.window(at: $0) } == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
    #expect(order.epoch(at: 4) == 0)
    #expect(order.epoch(at: 5) == 1)
  }

  @Test func everyEpochIsAPermutationOfItsOwn() {
    var order = BatchOrder(windowCount: 50, seed: 1, shuffle: true)
    let epochs = (0..<4).map { epoch in (0..<50).map { order.window(at: 50 * epoch + $0) } }
    for epoch in epochs { #expect(epoch.sorted() == Array(0..<50)) }
    #expect(Set(epochs).count == 4)
    #expect(!epochs.contains(Array(0..<50)))
    // The same whatever was asked before, and another for another seed.
    var again = BatchOrder(windowCount: 50, seed: 1, shuffle: true)
    for position in [199, 0, 120, 51, 3] {
      #expect(again.window(at: position) == epochs[position / 50][position % 50])
    }
    var other = BatchOrder(windowCount: 50, seed: 2, shuffle: true)
    #expect((0..<50).map { other.window(at: $0) } != epochs[0])
  }

  @Test(arguments: [true, false])
  func theFirstWindowsCanComeInAnotherOrder(_ shuffle: Bool) {
    var usual = BatchOrder(windowCount: 50, seed: 1, shuffle: shuffle)
    let places = (0..<120).map { usual.window(at: $0) }
    let orders = (1...2).map { draw in
      var order = BatchOrder(
        windowCount: 50, seed: 1, shuffle: shuffle,
        reordering: BatchOrder.Reordering(count: 20, draw: UInt64(draw)))
      return (0..<120).map { order.window(at: $0) }
    }
    for order in orders {
      #expect(order[..<20].sorted() == places[..<20].sorted() && order[..<20] != places[..<20])
      #expect(order[20...] == places[20...])
    }
    #expect(orders[0] != orders[1])
  }

  @Test func theOrderStaysTheSameFromReleaseToRelease() {
    var order = BatchOrder(windowCount: 8, seed: 0, shuffle: true)
    #expect((0..<8).map { order.window(at: $0) } == [0, 2, 4, 3, 6, 5, 1, 7])
  }
}
