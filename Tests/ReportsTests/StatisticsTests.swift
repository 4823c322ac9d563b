import Testing

@testable import Reports

@Suite struct StatisticsTests {
  /// Two-sided 95 % points of Student's t, from published tables (to the digits given there), and
  /// the closed forms tan(0.475 π) for one degree of freedom and 0.95 · √(2 / (1 − 0.95²)) for two.
  static let quantiles: [(degreesOfFreedom: Int, t: Double, tolerance: Double)] = [
    (1, 12.706_204_736_174_7, 1e-9), (2, 4.302_652_729_749_5, 1e-10), (3, 3.182_446, 1e-6),
    (4, 2.776_445, 1e-6), (5, 2.570_582, 1e-6), (6, 2.446_912, 1e-6), (7, 2.364_624, 1e-6),
    (8, 2.306_004, 1e-6), (9, 2.262_157, 1e-6), (10, 2.228_139, 1e-6), (15, 2.131_450, 1e-6),
    (30, 2.042_272, 1e-6), (60, 2.000_298, 1e-6), (120, 1.979_930, 1e-6),
    (1000, 1.962_339, 1e-6),
  ]

  @Test(arguments: quantiles)
  func studentsT(_ point: (degreesOfFreedom: Int, t: Double, tolerance: Double)) {
    let t = StudentT.quantile(confidence: 0.95, degreesOfFreedom: point.degreesOfFreedom)
    #expect(abs(t - point.t) < point.tolerance, "\(t)")
  }

  @Test func studentsTOfOtherConfidences() {
    #expect(abs(StudentT.quantile(confidence: 0.5, degreesOfFreedom: 1) - 1) < 1e-12)
    #expect(abs(StudentT.quantile(confidence: 0.99, degreesOfFreedom: 4) - 4.604_095) < 1e-6)
    #expect(abs(StudentT.quantile(confidence: 0.9, degreesOfFreedom: 9) - 1.833_113) < 1e-6)
  }

  /// Far out the distribution is the normal one.
  @Test func manyDegreesOfFreedom() {
    let t = StudentT.quantile(confidence: 0.95, degreesOfFreedom: 100_000)
    #expect(abs(t - 1.959_988) < 1e-6)
  }

  @Test func meanSpreadAndInterval() throws {
    let sample = SampleStatistics([2, 4, 4, 4, 5, 5, 7, 9])
    #expect(sample.mean == 5)
    #expect(try abs(#require(sample.standardDeviation) - (32.0 / 7).squareRoot()) < 1e-12)
    // 2.364624 · 2.138090 / √8
    let half = try #require(sample.halfWidth)
    #expect(abs(half - 1.787_488) < 1e-5, "\(half)")
    #expect(sample.interval == 5 - half...5 + half)
  }

  @Test func twoValues() throws {
    // sd = 1/√2, divided by √2: half a t of one degree of freedom.
    let half = try #require(SampleStatistics([1, 2]).halfWidth)
    #expect(abs(half - 12.706_204_736_174_7 / 2) < 1e-9)
  }

  @Test func tooFewValues() {
    #expect(SampleStatistics([]).mean == nil)
    #expect(SampleStatistics([3]).mean == 3)
    #expect(SampleStatistics([3]).standardDeviation == nil)
    #expect(SampleStatistics([3]).interval == nil)
    #expect(SampleStatistics([3, 3]).interval == 3...3)
  }

  @Test func pairedDifferences() {
    let difference = SampleStatistics([1: 5, 2: 7, 4: 1], minus: [2: 4, 1: 3, 3: 9])
    #expect(difference.values == [2, 3])
  }

  /// What both runs of a seed share (its batches) does not blur the difference.
  @Test func pairingRemovesTheSeedsOwnPart() throws {
    let left = [0: 3.0, 1: 2.0, 2: 4.0]
    let right = [0: 3.1, 1: 2.11, 2: 4.09]
    let interval = try #require(SampleStatistics(left, minus: right).interval)
    #expect(interval.upperBound < 0)
    #expect(try #require(SampleStatistics(Array(left.values)).halfWidth) > 1)
  }
}
