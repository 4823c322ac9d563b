import Testing
import Training

@Suite struct RenyiAccountantTests {
  /// What the library dp-accounting 0.6.0 gives for the same integer orders; see
  /// `Tests/Golden/privacy/accountant.py`.
  static let figures: [(rate: Double, noise: Double, steps: Int, delta: Double, epsilon: Double)] =
    [
      (0.01, 1.0, 1000, 1e-05, 2.10775308),
      (0.01, 1.0, 1, 1e-05, 0.956281056),
      (0.004, 0.6, 5000, 1e-06, 8.41999724),
      (0.1, 2.0, 300, 1e-05, 4.57381888),
      (0.25, 4.0, 100, 0.001, 2.10995793),
      (1.0, 10.0, 50, 1e-05, 3.19035187),
      (0.02, 0.3, 100, 1e-05, 342.499925),
      (0.001, 8.0, 20, 1e-08, 0.0219664781),
    ]

  @Test(arguments: figures.indices)
  func equalsTheLibrary(_ index: Int) {
    let (rate, noise, steps, delta, epsilon) = Self.figures[index]
    let loss = RenyiAccountant(samplingRate: rate, noise: noise).loss(steps: steps, delta: delta)
    #expect(abs(loss.epsilon - epsilon) <= 5e-6 * epsilon, "\(loss.epsilon), expected \(epsilon)")
    #expect(loss.delta == delta)
  }

  @Test func withoutNoiseNothingIsPrivate() {
    let accountant = RenyiAccountant(samplingRate: 0.1, noise: 0)
    #expect(accountant.loss(steps: 1, delta: 1e-5).epsilon == .infinity)
    #expect(accountant.loss(steps: 0, delta: 1e-5).epsilon == 0)
  }
}
