import Models
import TestSupport
import Testing
import Training

@testable import Contributions

/// Learning rates before and after a calibration.
@Suite struct LearningRateRuleTests {
  private func rule(
    width: Int = 576, _ optimizer: Optimizer = .adamW(AdamW())
  ) -> LearningRateRule {
    var configuration = TinyModel.configuration()
    configuration.width = width
    return LearningRateRule([:], optimizer: optimizer, configuration: configuration)
  }

  /// A pretrained model bears no more, whatever its gradients, and learns nothing at less.
  @Test func firstGuessesStayWherePretrainedModelsLearn() {
    let rule = rule()
    #expect(rule.rate(forSize: 1) == 1e-3)
    #expect(rule.rate(forSize: 8000) == 5e-4)
    #expect(rule.rate(forSize: 1e9) == 1e-4)
    #expect(rule.rate(forSize: 0) == 1e-3 && rule.rate(forSize: .infinity) == 1e-3)
    #expect(LearningRateRule.bounds(of: .factors, width: 576) == 3e-4...3e-3)
  }

  @Test func wideModelsGetLowRates() {
    #expect(rule(width: 1152).rate(forSize: 1) == 5e-4)
    #expect((rule(width: 64).rate(forSize: 1) - 9e-3).magnitude < 1e-15)
  }

  @Test func calibratedAndFixedRatesHaveNoBounds() {
    var calibrated = rule()
    calibrated.bounds = nil
    calibrated.constant = 20
    #expect(calibrated.rate(forSize: 1000) == 0.02)
    var fixed = rule()
    fixed.fixedRate = 7
    #expect(fixed.rate(for: [:]) == 7)
    #expect(rule(.sgd(SGD())).rate(forSize: 1e9) == 4e-9)
  }
}
