import Recipes
import Records
import Reports
import Runs
import Storage
import TestSupport
import Testing
import Training

/// A run from a recipe to its summary, in this process.
@Suite struct TrainingRunTests {
  @Test func theObserverGetsWhatTheEventFileHas() throws {
    let fixture = try RunsFixture()
    let (summary, events) = try fixture.train(
      #"run.sample={"prompt": "the cat", "max_tokens": 4}"#)
    let lines = String(decoding: try fixture.folder.read("run/events.jsonl"), as: UTF8.self)
      .split(separator: "\n").map(String.init)
    #expect(lines == events.map { $0.json.encoded() })
    guard case .start(let run) = events[0], case .plan(let memory, let flops, _) = events[1],
      case .memory = events[2], case .sample(step: 0, prompt: "the cat", _) = events[3],
      case .done(summary) = events.last
    else {
      Issue.record("\(lines)")
      return
    }
    #expect(run.method == "full" && run.steps == 6 && run.version == Version.text)
    #expect(memory.total > 0 && flops > 0)
    #expect(events.steps.map(\.step) == Array(1...6) && events.validations.count == 4)
    #expect(summary.reason == .finished && summary.steps == 6)
    #expect(RunSummary(file: fixture.folder["run/summary.json"]) == summary)
    #expect(Folder.exists(fixture.folder["run/recipe.resolved.json"]))
    #expect(Folder.exists(fixture.folder["run/best/trained.sfdelta"]))
  }

  /// Stopped and resumed, a run has the losses of one that was not.
  @Test func interruptionIsHandedIn() throws {
    let straight = try RunsFixture()
    let whole = try straight.train()
    let fixture = try RunsFixture()
    let first = try fixture.train(stopAfter: 2)
    #expect(first.summary.reason == .interrupted && first.summary.steps == 2)
    let second = try fixture.train(resuming: true)
    #expect(second.summary.reason == .finished && second.summary.steps == 6)
    let losses = (first.events.steps + second.events.steps).map(\.loss)
    #expect(losses == whole.events.steps.map(\.loss))
    #expect(second.summary.finalValidationLoss == whole.summary.finalValidationLoss)
    #expect(
      try fixture.folder.read("run/last/trained.sfdelta").suffix(4096)
        == straight.folder.read("run/last/trained.sfdelta").suffix(4096))
  }

  /// By default a run of several epochs that overfits stops, and its best snapshot is the run's; one
  /// of steps goes on.
  @Test func overfittingIsGuardedAgainst() throws {
    let fixture = try RunsFixture()
    try fixture.folder.write("the old dog sees the big red house and the cat.\n", to: "few.txt")
    let data = #"data={"train": ["few.txt"], "validation": ["text.txt"], "sequence_length": 4}"#
    let (summary, events) = try fixture.train(data, "run.epochs=60", "run.validate_every=3")
    #expect(summary.reason == .earlyStopping)
    let validations = events.validations
    #expect(summary.bestValidationLoss == validations.dropFirst().min())
    #expect((validations.last ?? 0) >= (summary.bestValidationLoss ?? .infinity) + 0.01)
    let whole = try fixture.train(data, "run.steps=\(summary.steps + 3)", "run.validate_every=3")
    #expect(whole.summary.reason == .finished)
    let never = try fixture.train(
      data, "run.epochs=60", "run.validate_every=3", "run.early_stopping=null")
    #expect(never.summary.reason == .finished)
  }

  /// An observer that can't go on ends the run, and the event file has what it was told.
  @Test func anObserverThatFailsEndsTheRun() throws {
    let fixture = try RunsFixture()
    let prepared = try fixture.prepared()
    let run = try TrainingRun(
      try PlannedRun(prepared, try MethodDecision(prepared)), in: RunFolder(fixture.folder["run"]),
      observe: { event throws(ReportError) in
        if case .step = event { throw .writeFailed(path: "'screen'", reason: "gone") }
      })
    let error = #expect(throws: TrainingError.self) { try run.train() }
    #expect(error?.description.contains("writing events to 'screen': gone") == true)
    let record = try RunRecord(eventFile: fixture.folder["run/events.jsonl"])
    #expect(record.start?.method == "full")
    #expect(record.row(label: "full", seed: 1, deltaBytes: nil) == nil)
  }

  /// Where the recipe leaves the moments' type open, a run goes on with what its state holds: versions
  /// before there was a choice kept f32.
  @Test(arguments: ["f32", "auto"])
  func resumedRunsKeepTheirMomentsType(_ type: String) throws {
    let fixture = try RunsFixture()
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let base = "model=/\(root)/checkpoints/base.sfckpt"
    func train(_ state: String, resuming: Bool = false, stopAfter: Int = .max) throws -> [Double] {
      try fixture.train(
        base, #"method={"type": "last_layers", "count": 1}"#, "optimizer.state=\(state)",
        "run.steps=4", resuming: resuming, acceptsChanges: true, stopAfter: stopAfter
      ).events.steps.map(\.loss)
    }
    let whole = try train(type)
    let first = try train(type, stopAfter: 2)
    #expect(first == Array(whole.prefix(2)))
    #expect(try train("auto", resuming: true) == Array(whole.suffix(2)))
  }

  @Test func nothingToResume() throws {
    let prepared = try RunsFixture().prepared()
    #expect(throws: TrainingError.self) { try MethodDecision(resuming: prepared) }
  }

  @Test func aPlanTrainsNothing() throws {
    let fixture = try RunsFixture()
    let prepared = try fixture.prepared()
    let run = try PlannedRun(prepared, try MethodDecision(unmeasured: prepared))
    let report = try PlanReport(run)
    #expect(report.json["planned_bytes"] == run.forecast.json)
    #expect(report.seconds.step > 0 && report.seconds.total > 0)
    #expect(try run.profile().contains { $0.phase == .backward })
    #expect(!Folder.exists(fixture.folder["run/events.jsonl"]))
  }
}
