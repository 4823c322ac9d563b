import Tensors
import Testing

@testable import Compilation

@Suite struct MemoryPlannerTests {
  private func randomRanges(_ random: inout RandomSource) -> [LiveRange] {
    let span = 1 + random.integer(below: 40)
    return (0..<random.integer(below: 60)).map { _ in
      let first = random.integer(below: span)
      let length = random.integer(below: random.uniform() < 0.2 ? span : 6)
      // Sizes around the alignment, nothing at all, and a few large ones.
      let bytes =
        random.uniform() < 0.3 ? random.integer(below: 130) : random.integer(below: 100_000)
      return LiveRange(byteCount: bytes, first: first, last: first + length)
    }
  }

  @Test func rangesThatOverlapInTimeNeverOverlapInMemory() {
    var random = RandomSource(seed: 5)
    for _ in 0..<400 {
      let ranges = randomRanges(&random)
      let layout = planMemory(ranges)
      #expect(layout.offsets.count == ranges.count)
      #expect(layout.byteCount >= peakLiveBytes(ranges).bytes)
      for a in ranges.indices {
        let end = layout.offsets[a] + ranges[a].byteCount
        #expect(layout.offsets[a] >= 0 && layout.offsets[a] % arenaAlignment == 0)
        #expect(end <= layout.byteCount)
        for b in ranges.indices where b > a {
          let inTime = ranges[a].first <= ranges[b].last && ranges[b].first <= ranges[a].last
          let inMemory =
            layout.offsets[a] < layout.offsets[b] + ranges[b].byteCount
            && layout.offsets[b] < end
          #expect(!(inTime && inMemory), "\(ranges[a]) and \(ranges[b])")
        }
      }
      #expect(planMemory(ranges) == layout)
    }
  }

  /// Placed by start in one pass, ranges are where the general way puts them in that order.
  @Test func oneOfTheOrdersTakesOnePass() {
    var random = RandomSource(seed: 8)
    for _ in 0..<400 {
      let ranges = randomRanges(&random).filter { $0.byteCount > 0 }
      let order = ranges.indices.sorted { (ranges[$0].first, $0) < (ranges[$1].first, $1) }
      #expect(placeByStart(ranges) == place(ranges, in: order))
    }
    #expect(placeByStart([LiveRange(byteCount: 0, first: 1, last: 3)]).byteCount == 0)
  }

  /// Tens of thousands of ranges take no minutes.
  @Test func manyRangesArePlacedSoon() {
    let count = 12_000
    let ranges = (0..<count).flatMap { index in
      [
        LiveRange(byteCount: 256 + 64 * (index % 7), first: index, last: 2 * count - index),
        LiveRange(byteCount: 4096, first: index, last: index + 3),
      ]
    }
    let clock = ContinuousClock()
    let start = clock.now
    let layout = planMemory(ranges)
    #expect(clock.now - start < .seconds(20))
    #expect(Double(layout.byteCount) < 1.1 * Double(peakLiveBytes(ranges).bytes))
  }

  @Test func thePeakIsWhatIsAliveAtOnePosition() {
    var random = RandomSource(seed: 6)
    for _ in 0..<200 {
      let ranges = randomRanges(&random)
      func live(_ position: Int) -> Int {
        ranges.filter { $0.first <= position && position <= $0.last }
          .reduce(0) { $0 + aligned($1.byteCount) }
      }
      let peak = peakLiveBytes(ranges)
      #expect(peak.bytes == (0..<100).map(live).max())
      #expect(peak.bytes == live(peak.position))
    }
  }

  @Test func rangesThatFollowEachOtherShareMemory() {
    let ranges = (0..<10).map { LiveRange(byteCount: 640, first: 2 * $0, last: 2 * $0 + 1) }
    #expect(planMemory(ranges).byteCount == 640)
    #expect(planMemory([]).byteCount == 0)
    let touching = (0..<10).map { LiveRange(byteCount: 640, first: $0, last: $0 + 1) }
    #expect(planMemory(touching).byteCount == 1280)
  }

  /// A stack of activations as a training step has them: placed without waste.
  @Test func aForwardAndBackwardPassIsPlacedWithoutWaste() {
    let ranges = (0..<50).map { LiveRange(byteCount: 1024, first: $0, last: 100 - $0) }
    #expect(planMemory(ranges).byteCount == peakLiveBytes(ranges).bytes)
  }
}
