import Contributions
import Testing
import Training

/// The ladder of short runs that finds a learning rate, on losses that are known.
@Suite struct RateCalibrationTests {
  /// A parabola in the logarithm of the rate, with its bottom at `best`.
  private func calibrate(
    best: Double, around guess: Double, runs: Int = 6
  ) throws -> (RateCalibration, Int) {
    var calls = 0
    let calibration = try RateCalibration(around: guess, maximumRuns: runs) {
      (rate) throws(TrainingError) in
      calls += 1
      let distance = logarithm(rate / best)
      return 3 + distance * distance
    }
    return (calibration, calls)
  }

  /// Base 2, from the exponent and a few terms: exact enough for tests without Foundation.
  private func logarithm(_ value: Double) -> Double {
    let fraction = (value.significand - 1) / (value.significand + 1)
    var (term, sum) = (fraction, 0.0)
    for power in stride(from: 1.0, to: 40, by: 2) {
      sum += term / power
      term *= fraction * fraction
    }
    return Double(value.exponent) + 2 * sum / 0.693_147_180_559_945_3
  }

  @Test(arguments: [0.4, 0.6, 0.8, 1, 1.3])
  func findsTheBottomBetweenThreeRungs(factor: Double) throws {
    let (calibration, calls) = try calibrate(best: 1e-3 * factor, around: 1e-3)
    #expect(calls == 3)
    #expect((calibration.rate / (1e-3 * factor) - 1).magnitude < 1e-6)
  }

  @Test(arguments: [0.1, 0.2, 3, 5])
  func goesOnWhereTheBestIsAtAnEnd(factor: Double) throws {
    let (calibration, calls) = try calibrate(best: 1e-3 * factor, around: 1e-3)
    #expect(calls > 3 && calls <= 6)
    #expect((calibration.rate / (1e-3 * factor) - 1).magnitude < 1e-6)
    #expect(calibration.points.map(\.rate) == calibration.points.map(\.rate).sorted())
  }

  @Test func stopsAtItsPrice() throws {
    let (calibration, calls) = try calibrate(best: 1, around: 1e-3, runs: 4)
    #expect(calls == 4)
    #expect(calibration.rate == 4e-3, "the best rung so far")
    #expect(calibration.points.map(\.rate) == [5e-4, 1e-3, 2e-3, 4e-3])
  }

  @Test func aDivergedRunIsNoBottom() throws {
    let calibration = try RateCalibration(around: 1e-3, maximumRuns: 6) {
      (rate) throws(TrainingError) in rate > 1.5e-3 ? .infinity : 3 - 100 * rate
    }
    #expect(calibration.rate == 1e-3)
    #expect(calibration.points.map(\.loss).last == .infinity && calibration.points.count == 3)
  }
}
