import Testing

@testable import Contributions

/// What an analysis may probe for its price.
@Suite struct AnalysisPlanTests {
  private func sizes(
    steps: Int, candidates: Int = 10, layers: Int = 6, calibrates: Bool = true
  ) -> AnalysisPlan.Sizes {
    AnalysisPlan.Sizes(
      steps: steps, layers: layers, candidates: candidates, scoring: 4, scanning: 1.5,
      calibrates: calibrates)
  }

  /// Whatever the run's length, the price is kept, and a longer run never probes less.
  @Test func keepsItsPrice() {
    var last = -1.0
    for steps in stride(from: 10, through: 20_000, by: 37) {
      let sizes = sizes(steps: steps)
      let plan = AnalysisPlan.fitting(AnalysisSettings(), sizes)
      #expect(plan.price(sizes) <= 0.1 * Double(steps) || plan.reach == 0, "\(steps) steps")
      #expect(plan.price(sizes) >= last, "\(steps) steps")
      last = plan.price(sizes)
    }
    #expect(last > 1000, "a long run measures everything")
  }

  @Test func shortRunsMeasureNothing() {
    let plan = AnalysisPlan.fitting(AnalysisSettings(), sizes(steps: 149))
    #expect(plan.calibrationSteps == 0 && plan.firstSteps == 0 && plan.coverage == .none)
  }

  /// From a few hundred steps on a tenth pays for holding the usual choice against a rival.
  @Test func runsOfAFewHundredStepsProbeTwo() {
    let plan = AnalysisPlan.fitting(AnalysisSettings(), sizes(steps: 300))
    #expect(plan.candidates == 2 && plan.firstSteps == 12 && plan.scoredShare < 1)
  }

  /// Whole tensors and low-rank factors take rates of their own, each with its price.
  @Test func everyFamilyIsCalibrated() {
    var sizes = sizes(steps: 20_000)
    let plan = AnalysisPlan.fitting(AnalysisSettings(), sizes)
    let price = plan.price(sizes)
    sizes.families = 2
    #expect(plan.calibrations(sizes) == 2)
    #expect(plan.price(sizes) - price == 5 * (20 + 4))
  }

  @Test func theRecipeMaySpendMore() {
    let plan = AnalysisPlan.fitting(AnalysisSettings(share: 100), sizes(steps: 200))
    #expect(plan.coverage == .all && plan.finalSteps == 50 && plan.calibrationSteps == 20)
  }

  @Test func switchesCostNothing() {
    let sizes = sizes(steps: 40_000)
    let without = AnalysisPlan.fitting(AnalysisSettings(measuresContributions: false), sizes)
    #expect(without.coverage == .none && without.candidates == 10)
    let unprobed = AnalysisPlan.fitting(AnalysisSettings(probesJointly: false), sizes)
    #expect(unprobed.coverage == .all && unprobed.firstSteps == 0 && unprobed.finalSteps == 0)
    let fixed = AnalysisPlan.fitting(
      AnalysisSettings(), self.sizes(steps: 20_000, calibrates: false))
    #expect(fixed.calibrationSteps == 0)
  }

  /// Without validation text, some of the training text has to stay unseen.
  @Test func probesLeaveWindowsToJudgeBy() {
    var sizes = sizes(steps: 1000)
    for trainable in [0, 12, 30, 60, 1000] {
      sizes.trainableSteps = trainable
      let plan = AnalysisPlan.fitting(AnalysisSettings(share: 100), sizes)
      #expect(plan.reach <= trainable)
      #expect((plan.reach > 0) == (trainable >= 12), "\(trainable) steps")
    }
  }

  /// Deep candidates cost more than the reference.
  @Test func dearCandidatesRaiseThePrice() {
    var sizes = sizes(steps: 1000)
    let plan = AnalysisPlan.fitting(AnalysisSettings(share: 100), sizes)
    let price = plan.price(sizes)
    sizes.candidate = 1.5
    let dearer = plan.price(sizes)
    sizes.deepest = 2
    #expect(price < dearer && dearer < plan.price(sizes))
  }

  /// No probe is longer than half of the run it is to decide about.
  @Test func probesAreShorterThanTheRun() {
    for steps in [2, 10, 30, 60, 90] {
      let plan = AnalysisPlan.fitting(AnalysisSettings(share: 1000), sizes(steps: steps))
      #expect(2 * max(plan.calibrationSteps, plan.contributionSteps, plan.finalSteps) <= steps)
    }
  }
}
