import Adaptations
import Datasets
import Records
import TestSupport
import Testing

@testable import Training

/// What a run tells of the time that is left, from given times.
@Suite struct RemainingTimeTests {
  /// Six steps of 4 windows with validations before them, after steps 2, 4 and 6.
  private func trainer(validation: TokenStream?) throws -> Trainer {
    let settings = TrainingFixture.settings(steps: 6, validateEvery: 2)
    return Trainer(
      try TrainingFixture().session(FullAdaptation(), settings), settings: settings,
      text: TrainingFixture.text(windows: 16), validationText: validation, store: nil,
      plannedBytes: 1, observe: { _ throws(TrainingError) in })
  }

  private func report(step: Int) -> StepReport { StepReport(step: step) }

  @Test func stepsAlone() throws {
    let trainer = try trainer(validation: nil)
    #expect(trainer.remainingSeconds(after: report(step: 2), training: 4) == 8)
    #expect(trainer.remainingSeconds(after: report(step: 6), training: 12) == 0)
  }

  /// The validation due behind a step is ahead of it.
  @Test func validationsTakeWhatTheyTook() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    trainer.validationTime = Trainer.MeanTime(count: 2, seconds: 10)
    #expect(trainer.remainingSeconds(after: report(step: 2), training: 4) == 8 + 3 * 5)
    #expect(trainer.remainingSeconds(after: report(step: 3), training: 6) == 6 + 2 * 5)
    #expect(trainer.remainingSeconds(after: report(step: 5), training: 10) == 2 + 5)
    #expect(trainer.remainingSeconds(after: report(step: 6), training: 12) == 5)
  }

  /// A run that follows a probe, or is resumed, has not scored anything yet: 4 windows of a step in
  /// one second are 8 of the text in two.
  @Test func beforeTheFirstTheForwardPassCounts() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    trainer.forwardTime = Trainer.MeanTime(count: 4, seconds: 4)
    #expect(trainer.remainingSeconds(after: report(step: 4), training: 8) == 4 + 2 * 2)
  }

  /// The base's score counts as one, but not if it was known.
  @Test func onlyOwnScoresCount() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    _ = try trainer.validateBase()
    #expect(trainer.validationTime.count == 1)
    _ = try trainer.validateBase()
    #expect(trainer.validationTime.count == 1)
  }
}
