import Adaptations
import Records
import Runs
import Storage
import TestSupport
import Testing
import Training

/// Method "auto": which method is chosen, and that a run keeps it.
@Suite struct MethodSelectionTests {
  private static let auto = #"method={"type": "auto"}"#
  private static let rate = "optimizer.learning_rate=auto"
  private static let share = "analysis.share=60"

  /// Low-rank adaptation and schemes are held against each other, all for about the price of rank 8.
  @Test func methodsAreHeldAgainstSchemes() throws {
    let fixture = try RunsFixture()
    let prepared = try fixture.prepared(Self.auto, Self.rate, Self.share, "run.steps=60")
    let result = try prepared.analyse()
    let methods = result.candidates.filter { $0.candidate.method != nil }
    let schemes = result.candidates.filter { $0.candidate.method == nil }
    #expect(methods.count >= 1 && schemes.count > 2)
    #expect(result.candidates.allSatisfy { !$0.rounds.isEmpty && $0.learningRate > 0 })
    let usual = methods[0].candidate.cost.flopsShare
    #expect(schemes.allSatisfy { $0.candidate.cost.flopsShare <= 1.05 * usual })
  }

  /// What is chosen without probes is, in a model as small as this, the head and the last blocks.
  @Test func withoutProbesASmallModelTrainsItsHead() throws {
    let fixture = try RunsFixture()
    let decision = try MethodDecision(try fixture.prepared(Self.auto, "analysis.share=0"))
    #expect(decision.adaptation.trainedShares?["head"] == 1)
    #expect(decision.method == nil)
  }

  /// Without head, schemes that train whole tensors have little to win from one tensor that they
  /// can't reach; under a budget that no scheme of ours fills, the chosen method is the low-rank one
  /// and is the same when the run is resumed or started again.
  @Test func aChosenMethodIsKept() throws {
    let fixture = try RunsFixture()
    try choose("lora", in: fixture)
    let first = try fixture.train(Self.auto, Self.rate, Self.share, "run.steps=60", stopAfter: 30)
    #expect(first.summary.reason == .interrupted)
    guard case .start(let start) = first.events.first else {
      Issue.record("no start")
      return
    }
    #expect(start.choice?.contains("LoRA of rank 8") == true)
    let second = try fixture.train(
      Self.auto, Self.rate, Self.share, "run.steps=60", resuming: true)
    #expect(second.summary.reason == .finished)
    guard case .start(let resumed) = second.events.first else {
      Issue.record("no start")
      return
    }
    #expect(resumed.trainableParameters == start.trainableParameters)
    #expect(resumed.learningRate == start.learningRate)
  }

  /// A saved choice that is no method is an error, not a run of something else.
  @Test func aSpoiledChoiceIsRefused() throws {
    let fixture = try RunsFixture()
    try choose("lora", rank: 0, in: fixture)
    let prepared = try fixture.prepared(Self.auto, Self.rate, Self.share, "run.steps=60")
    let error = #expect(throws: RunsError.self) { try MethodDecision(prepared) }
    #expect(error?.category == .badData)
  }

  /// Makes an earlier measurement that chose a method.
  private func choose(_ type: String, rank: Int = 8, in fixture: RunsFixture) throws {
    let prepared = try fixture.prepared(Self.auto, Self.rate, Self.share, "run.steps=60")
    var record = try prepared.analyse().record
    record.scheme = [:]
    record.method = ["type": .string(type), "rank": .int(rank)]
    record.chosen = "LoRA of rank \(rank)"
    try record.write(to: fixture.folder["run/contributions.json"])
  }
}
