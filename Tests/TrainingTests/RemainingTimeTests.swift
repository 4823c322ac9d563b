import Adaptations
import Datasets
import Records
import Storage
import TestSupport
import Testing

@testable import Training

#if canImport(Glibc)
  import Glibc
#endif

/// What a run tells of the time that is left, from given times.
@Suite struct RemainingTimeTests {
  /// Six steps of 4 windows with validations before them, after steps 2, 4 and 6.
  private func trainer(validation: TokenStream?) throws -> Trainer {
    try trainer(TrainingFixture().session(FullAdaptation(), Self.settings), validation: validation)
  }

  private static let settings = TrainingFixture.settings(steps: 6, validateEvery: 2)

  private func trainer(
    _ session: Session, text: TokenStream = TrainingFixture.text(windows: 16),
    validation: TokenStream?
  ) -> Trainer {
    Trainer(
      session, settings: Self.settings, text: text, validationText: validation, store: nil,
      plannedBytes: 1, observe: { _ throws(TrainingError) in })
  }

  @Test func stepsAlone() throws {
    let trainer = try trainer(validation: nil)
    trainer.times.step = MeanTime(count: 2, seconds: 4)
    #expect(trainer.remainingSeconds(after: 2) == 8)
    #expect(trainer.remainingSeconds(after: 6) == 0)
  }

  /// The validation due behind a step is ahead of it: 8 windows in 5 seconds.
  @Test func validationsTakeWhatTheyTook() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    trainer.times.step = MeanTime(count: 2, seconds: 4)
    trainer.times.scored = MeanTime(count: 16, seconds: 10)
    #expect(trainer.remainingSeconds(after: 2) == 8 + 3 * 5)
    #expect(trainer.remainingSeconds(after: 3) == 6 + 2 * 5)
    #expect(trainer.remainingSeconds(after: 5) == 2 + 5)
    #expect(trainer.remainingSeconds(after: 6) == 5)
  }

  /// Each of three validations may write a delta, and the end writes a delta and a state.
  @Test func snapshotsTakeTime() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    trainer.times.step = MeanTime(count: 2, seconds: 4)
    trainer.times.scored = MeanTime(count: 8, seconds: 0)
    trainer.times.written = MeanTime(count: 2, seconds: 20)
    #expect(trainer.remainingSeconds(after: 2) == 8 + (3 + 2) * 10)
    // Without a held-out text the end writes the best's delta too.
    let unheld = try self.trainer(validation: nil)
    unheld.times = trainer.times
    #expect(unheld.remainingSeconds(after: 2) == 8 + 3 * 10)
  }

  /// A partial batch takes as long as a whole one: nine windows are three batches of four.
  @Test func partialBatchesCountWhole() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 9))
    _ = try trainer.validateBase()
    #expect(trainer.times.scored.count == 12)
    trainer.times.step = MeanTime(count: 1, seconds: 1)
    trainer.times.scored = MeanTime(count: 4, seconds: 1)
    #expect(trainer.remainingSeconds(after: 6) == 3)
  }

  /// A run that follows a probe, or is resumed, has not scored anything yet: 4 windows of a step in
  /// one second are 8 of the text in two.
  @Test func beforeTheFirstTheForwardPassCounts() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    trainer.times.step = MeanTime(count: 4, seconds: 8)
    trainer.times.forward = MeanTime(count: 16, seconds: 4)
    #expect(trainer.remainingSeconds(after: 4) == 4 + 2 * 2)
  }

  /// Another trainer's steps, told as this one's: their own pace, since nothing else is known.
  @Test func stepsOfAnotherTrainer() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    var report = StepReport(step: 3)
    report.elapsedSeconds = 9
    report.phases.forward = 1
    #expect(trainer.adopted(report).etaSeconds == 9 + 2 * 2)
  }

  /// The base's score counts as one, but not if it was known.
  @Test func onlyOwnScoresCount() throws {
    let trainer = try trainer(validation: TrainingFixture.text(windows: 8))
    _ = try trainer.validateBase()
    #expect(trainer.times.scored.count == 8)
    _ = try trainer.validateBase()
    #expect(trainer.times.scored.count == 8)
  }

  /// Frozen blocks are computed once where a cache keeps their outputs, and each time where none
  /// does: a quarter of a second a micro-batch beside a step's second and a score's half.
  @Test(arguments: [true, false]) func frozenBlocksTakeTimeUntilTheyAreCached(cached: Bool) throws {
    let fixture = try FrozenPrefixTests.fixture()
    let session = try fixture.session(
      FrozenPrefixMethod.lastLayer.adaptation(fixture), Self.settings)
    let text = TrainingFixture.text(windows: 16)
    let validation = TrainingFixture.text(windows: 8, ids: 2..<19)
    let folder = try TemporaryFolder()
    if cached {
      session.prefixCaches = try [text, validation].map {
        try #require(
          try PrefixCache($0, for: session.step, folder: folder.path, byteLimit: 1 << 20))
      }
    }
    let trainer = trainer(session, text: text, validation: validation)
    _ = try trainer.validateBase()
    #expect(try trainer.trainStep())
    #expect(session.prefixComputing.count == 2 + 1)
    #expect(trainer.times.step.count == 1 && trainer.times.forward.count == 4)
    #expect(trainer.times.forward.seconds < trainer.times.step.seconds)
    trainer.times.step = MeanTime(count: 1, seconds: 1)
    trainer.times.scored = MeanTime(count: 8, seconds: 0.5)
    // Five steps and three validations are left; of the training text 12 windows have not come.
    let computing = session.prefixComputing.mean * (cached ? 3 : 5 + 3 * 2)
    #expect(abs(trainer.remainingSeconds(after: 1) - (5 + 3 * 0.5 + computing)) < 1e-9)
  }

  /// A cache that could not be written is none.
  @Test func aCacheThatIsGivenUpHoldsNothing() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let session = try fixture.session(
      FrozenPrefixMethod.lastLayer.adaptation(fixture), Self.settings)
    let text = TrainingFixture.text(windows: 16)
    let file = ScratchFile(folder: "somewhere", descriptor: open("/dev/full", O_RDWR))
    session.prefixCaches = [PrefixCache(text, for: session.step, file: file)]
    #expect(session.prefixesToCompute(ofNext: 40, in: text) == 16)
    #expect(try trainer(session, text: text, validation: nil).trainStep())
    #expect(session.prefixesToCompute(ofNext: 40, in: text) == 40)
  }
}
