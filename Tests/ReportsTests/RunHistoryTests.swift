import Records
import Testing

@testable import Reports

@Suite struct RunHistoryTests {
  /// What was the best is what the run kept, whatever a later guard says of it.
  @Test func theBestIsWhatWasKept() {
    var run = RunHistory()
    run.add(.validation(step: 0, loss: 4, best: false))
    #expect(run.best?.step == 0)
    run.add(.validation(step: 4, loss: 3.5, best: true))
    run.add(.validation(step: 8, loss: 3, best: false))
    #expect(run.best?.step == 4)
    run.add(.validation(step: 4, loss: 4.5, best: true))
    #expect(run.best?.step == 0)
  }
}
