import Contributions
import Records
import Runs
import Storage
import TestSupport
import Testing
import Training

/// What decides which tensors train, in this process.
@Suite struct AnalysisRunTests {
  private static let auto = #"method={"type": "sparse", "budget": {"step_flops": 0.8}}"#
  private static let rate = "optimizer.learning_rate=auto"
  private static let share = "analysis.share=60"

  @Test func analysesAndRemembers() throws {
    let fixture = try RunsFixture()
    let prepared = try fixture.prepared(Self.auto, Self.rate, Self.share, "run.steps=60")
    var stages = Set<String>()
    let result = try prepared.analyse { stages.insert($0.stage) }
    let chosen = try #require(result.chosen)
    #expect(stages.contains("candidates") && result.probes > 0)
    let path = fixture.folder["run/contributions.json"]
    #expect(AnalysisRecord(file: path)?.json.encoded() == result.record.json.encoded())
    #expect(!Folder.exists(fixture.folder["run/candidates"]))

    // The next decision takes it over without measuring anything.
    let decision = try MethodDecision(prepared) { Issue.record("\($0.stage)") }
    #expect(decision.learningRate == chosen.learningRate && decision.analysis == nil)
    #expect(decision.choice?.contains(chosen.candidate.label) == true)
  }

  @Test func calibratesARate() throws {
    let fixture = try RunsFixture()
    let prepared = try fixture.prepared(Self.rate, Self.share, "run.steps=40")
    let decision = try MethodDecision(prepared)
    guard case .learningRate(let record) = decision.analysis else {
      Issue.record("\(String(describing: decision.analysis))")
      return
    }
    #expect(record.learningRate == decision.learningRate && record.calibration.count > 2)
    #expect(CalibrationRecord(file: fixture.folder["run/learning_rate.json"]) == record)
    #expect(try MethodDecision(prepared).learningRate == decision.learningRate)
  }

  @Test func stopsWhenAsked() throws {
    let prepared = try RunsFixture().prepared(
      Self.auto, Self.rate, Self.share, "run.steps=60", shouldStop: { true })
    let error = #expect(throws: TrainingError.self) { try prepared.analyse() }
    guard case .interrupted = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func refusesWhatIsFixed() throws {
    let prepared = try RunsFixture().prepared()
    let error = #expect(throws: RunsError.self) { try prepared.analyse() }
    #expect(error?.category == .usage)
  }
}
