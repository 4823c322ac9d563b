import Checkpoints
import Records
import Runs
import Storage
import TestSupport
import Testing
import Training

/// The guard: which snapshot is the best where another text must not be forgotten.
@Suite struct GuardTests {
  private let fixture: RunsFixture

  init() throws {
    fixture = try RunsFixture()
    try fixture.folder.write(
      String(repeating: "QUIZ! Zwölf Boxkämpfer; 1234567890 +++ ", count: 12), to: "other.txt")
    try fixture.folder.write(String(repeating: "VEXED? 99 problems. ", count: 20), to: "third.txt")
  }

  private func setting(_ limit: Double, _ file: String = "other.txt") -> String {
    #"guard={"data": ["\#(file)"], "max_loss_increase": \#(limit)}"#
  }

  /// Validations stay what they are without a guard; each is preceded by the guard's, and a limit
  /// between what it measures decides which snapshot is the best.
  @Test func theBestIsWithinTheGuard() throws {
    let plain = try fixture.train("run.steps=8").events
    let free = try fixture.train("run.steps=8", setting(50)).events
    #expect(free.validations == plain.validations)
    #expect(!free.warnings.contains { $0.contains("guard") })
    let order = free.compactMap { event -> String? in
      switch event {
      case .lossGuard(let report): "guard \(report.step)"
      case .validation(let step, _, _, _): "validation \(step)"
      default: nil
      }
    }
    #expect(order == [0, 2, 4, 6, 8].flatMap { ["guard \($0)", "validation \($0)"] })

    let reports = free.guardReports
    let rises = reports.dropFirst().map(\.increase)
    let limit = (rises.min() ?? 0) + 1e-6
    #expect(limit > 0 && limit < rises.max() ?? 0, "\(rises)")
    let bound = try fixture.train("run.steps=8", setting(limit))
    let within = zip(reports, free.validations).dropFirst().filter { $0.0.increase <= limit }
    let best = try #require(within.min { $0.1 < $1.1 })
    #expect(bound.summary.bestValidationLoss == best.1)
    let delta = try Delta.open(fixture.folder["run/best/trained.sfdelta"])
    #expect(delta.metrics["step"]?.int == best.0.step)
    let warnings = bound.events.warnings.filter { $0.contains("guard") }
    #expect(
      warnings.last?.contains("best/ holds the best snapshot within it, of step \(best.0.step)")
        == true)
    #expect(warnings.first?.contains("only snapshots within it are kept as the best") == true)
    #expect(bound.summary.lossGuard?.isWithin == false)
  }

  /// Where no validation is within the guard there is no best snapshot, and the run says so.
  @Test func nothingWithinTheGuardIsSaid() throws {
    let run = try fixture.train(setting(1e-6))
    #expect(run.summary.bestValidationLoss == nil)
    #expect(!Folder.exists(fixture.folder["run/best"]))
    #expect(run.events.warnings.last?.contains("no validation was within it") == true)
  }

  /// An interrupted run goes on with the guard's base and its best, bit for bit.
  @Test func resumingKeepsTheGuard() throws {
    let whole = try fixture.train("run.steps=8", setting(0.5))
    let reports = whole.events.guardReports
    _ = try fixture.train("run.steps=8", setting(0.5), stopAfter: 3)
    let rest = try fixture.train("run.steps=8", setting(0.5), resuming: true)
    #expect(rest.events.guardReports == reports.filter { $0.step > 3 })
    #expect(rest.summary.bestValidationLoss == whole.summary.bestValidationLoss)
    #expect(rest.summary.lossGuard == whole.summary.lossGuard)
  }

  /// A run that was stopped between two validations tells the step of the guard's last score.
  @Test func theLastScoreHasItsStep() throws {
    let run = try fixture.train("run.steps=8", setting(50), stopAfter: 3)
    #expect(run.summary.lossGuard == run.events.guardReports.last)
    #expect(run.summary.lossGuard?.step == 2)
  }

  /// Another text or limit is refused, and where it is accepted the base is scored on it, and the best
  /// begins anew.
  @Test func anotherGuardIsNoticed() throws {
    _ = try fixture.train(setting(5), stopAfter: 3)
    for other in [setting(5, "third.txt"), setting(4)] {
      let error = failure { _ = try fixture.train(other, resuming: true) }
      #expect(error?.category == .usage && error?.description.contains("guard") == true)
    }
    let third = setting(5, "third.txt")
    let resumed = try fixture.train(third, resuming: true, acceptsChanges: true)
    let fresh = try fixture.train(third)
    #expect(resumed.events.guardReports.first == fresh.events.guardReports.first)
    #expect(resumed.events.guardReports.last == fresh.events.guardReports.last)
    #expect(resumed.events.steps.last?.loss == fresh.events.steps.last?.loss)
  }

  /// On the line from the base to the trained model the scale with the lowest loss is taken; with a
  /// guard, the lowest of those within it.
  @Test func scalesAreSearchedWithinTheGuard() throws {
    _ = try fixture.train("run.steps=8")
    let search = ScaleSearch(
      fixture.model, deltas: [fixture.folder["run/best/trained.sfdelta"]],
      shape: BatchShape(windows: 4, tokens: 16), threads: 2)
    let data = [fixture.folder["text.txt"]]
    let other = [fixture.folder["other.txt"]]
    let free = try search.search(data: data, guarded: [], maxIncrease: 0)
    #expect(
      free.points.count >= 11 && free.points.map(\.scale) == free.points.map(\.scale).sorted())
    #expect(free.points[free.best].loss == free.points.map(\.loss).min())
    let wide = try search.search(data: data, guarded: other, maxIncrease: 100)
    #expect(wide.points.map(\.scale) == free.points.map(\.scale))
    for (a, b) in zip(wide.points, free.points) { #expect(abs(a.loss - b.loss) < 1e-4) }
    let guards = wide.points.compactMap(\.guardLoss)
    let limit = ((guards.max() ?? 0) - guards[0]) / 2
    let bound = try search.search(data: data, guarded: other, maxIncrease: limit)
    let best = bound.points[bound.best]
    let bestGuard = try #require(best.guardLoss)
    #expect(bestGuard <= guards[0] + limit)
    #expect(best.scale > 0 && best.scale < 1)
    let allowed = bound.points.filter { ($0.guardLoss ?? 0) <= guards[0] + limit }
    #expect(best.loss == allowed.map(\.loss).min())
    #expect(failure { _ = try search.search(data: other, guarded: data, maxIncrease: 0) } != nil)
  }
}

extension [RunEvent] {
  fileprivate var guardReports: [GuardReport] {
    compactMap { if case .lossGuard(let report) = $0 { report } else { nil } }
  }
}
