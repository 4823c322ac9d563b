import Records
import Reports
import Testing

/// Intervals of figures over items.
@Suite struct ItemStatisticsTests {
  private func isNear(_ found: ClosedRange<Double>?, _ low: Double, _ high: Double) -> Bool {
    guard let found else { return false }
    return abs(found.lowerBound - low) < 5e-4 && abs(found.upperBound - high) < 5e-4
  }

  /// Wilson's interval as tables have it.
  @Test(arguments: [
    (5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (41, 100, 0.3186, 0.5080),
  ])
  func shares(_ hits: Int, _ count: Int, _ low: Double, _ high: Double) {
    let found = ItemStatistics.share((0..<count).map { $0 < hits })
    #expect(found.value == Double(hits) / Double(count))
    #expect(isNear(found.interval, low, high), "\(found)")
  }

  /// 12 items gained and 4 lost of 100: (12 − 4) / 102 ± 1.96 · √(17 − 8²/102) / 102.
  @Test func differencesOfShares() {
    let base = (0..<100).map { $0 < 50 }
    let other = (0..<100).map { $0 < 46 || (50..<62).contains($0) }
    let found = ItemStatistics.difference(other, minus: base)
    #expect(abs(found.value - 0.08) < 1e-12)
    #expect(isNear(found.interval, 0.07843 - 0.07777, 0.07843 + 0.07777), "\(found)")
    let same = ItemStatistics.difference(base, minus: base)
    #expect(same.value == 0 && isNear(same.interval, -0.01922, 0.01922), "\(same)")
  }

  /// With equal tokens it is the mean with Student's interval: 1, 2, 3 have 2 ± 4.303 / √3.
  @Test func ratios() {
    let found = ItemStatistics.ratio([10, 20, 30], over: [10, 10, 10])
    #expect(abs(found.value - 2) < 1e-12 && isNear(found.interval, -0.4841, 4.4841), "\(found)")
    let uneven = ItemStatistics.ratio([10, 60], over: [10, 20])
    #expect(abs(uneven.value - 70.0 / 30) < 1e-12)
    #expect(ItemStatistics.ratio([3], over: [2]).interval == nil)
  }
}
