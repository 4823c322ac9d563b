import TestSupport
import Testing
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// Numbers that only depend on the step: rates and Adam's corrections.
@Suite struct LearningRateTests {
  private func rates(
    _ curve: LearningRateSchedule.Curve, warmup: Int, steps: Int, finalRatio: Double = 0.1
  ) -> [Double] {
    let schedule = LearningRateSchedule(
      curve: curve, peak: 2, warmupSteps: warmup, finalRatio: finalRatio, totalSteps: steps)
    return (1...steps).map { schedule.rate(step: $0) }
  }

  private func expect(
    _ found: [Double], _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    for (a, b) in zip(found, expected) {
      #expect(abs(a - b) < 1e-12, "\(found)", sourceLocation: sourceLocation)
    }
  }

  @Test func cosine() {
    let eighth = 0.1 + 0.9 * (1 + 0.5.squareRoot()) / 2
    let last = 0.1 + 0.9 * (1 - 0.5.squareRoot()) / 2
    expect(
      rates(.cosine, warmup: 0, steps: 5), [1, eighth, 0.55, last, 0.1].map { 2 * $0 })
  }

  @Test func linear() {
    expect(rates(.linear, warmup: 0, steps: 4), [2, 1.4, 0.8, 0.2])
    expect(rates(.linear, warmup: 0, steps: 3, finalRatio: 0), [2, 1, 0])
  }

  /// The peak comes right after the warm-up, and the last step is at the final ratio.
  @Test func warmUp() {
    expect(rates(.constant, warmup: 3, steps: 6), [0.5, 1, 1.5, 2, 2, 2])
    expect(rates(.linear, warmup: 1, steps: 4), [1, 2, 1.1, 0.2])
  }

  @Test(arguments: [LearningRateSchedule.Curve.cosine, .linear, .constant])
  func shortRunsReachThePeak(curve: LearningRateSchedule.Curve) {
    expect(rates(curve, warmup: 100, steps: 3), [2.0 / 3, 4.0 / 3, 2])
    expect(rates(curve, warmup: 100, steps: 1), [2])
    expect(rates(curve, warmup: 0, steps: 1), [2])
  }

  @Test func beyondTheEndTheRateStays() {
    let schedule = LearningRateSchedule(
      curve: .cosine, peak: 1, warmupSteps: 2, finalRatio: 0.25, totalSteps: 10)
    #expect(abs(schedule.rate(step: 10) - 0.25) < 1e-12)
    #expect(abs(schedule.rate(step: 25) - 0.25) < 1e-12)
  }

  @Test func corrections() {
    let adam = Optimizer.adamW(AdamW(firstBeta: 0.9, secondBeta: 0.95))
    for step in [1, 2, 10, 1000] {
      let found = adam.corrections(step: step)
      var (first, second) = (1.0, 1.0)
      for _ in 0..<step { (first, second) = (first * 0.9, second * 0.95) }
      #expect(abs(found.first - (1 - first)) < 1e-12)
      #expect(abs(found.second - (1 - second)) < 1e-12)
    }
    let plain = Optimizer.sgd(SGD()).corrections(step: 3)
    #expect(plain.first == 1 && plain.second == 1)
  }
}
