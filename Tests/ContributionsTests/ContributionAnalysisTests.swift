import Adaptations
import Checkpoints
import Contributions
import Datasets
import Records
import Storage
import Tensors
import TestSupport
import Testing
import Tokenizers
import Training
import Weights

/// An analysis from scores to decision, on real training.
@Suite struct ContributionAnalysisTests {
  /// The same seed gives the same scheme, rate and losses, bit for bit.
  @Test func isAFunctionOfItsInputs() throws {
    let fixture = AnalysisFixture(try TrainingFixture(TinyModel.configuration(layers: 3)))
    let (one, other) = try (fixture.analyse(), fixture.analyse())
    #expect(one.chosen?.candidate.scheme == other.chosen?.candidate.scheme)
    #expect(one.chosen?.learningRate == other.chosen?.learningRate)
    #expect(
      one.candidates.map { $0.rounds.map(\.loss) } == other.candidates.map { $0.rounds.map(\.loss) }
    )
    #expect(one.table.contributions == other.table.contributions)
    #expect(one.probes > 8 && one.chosen != nil)
  }

  /// Every family's analysis ends in a scheme that trains.
  @Test(arguments: FamilyCase.all.filter { $0.name != "llama" })
  func decidesForEveryFamily(_ family: FamilyCase) throws {
    let fixture = AnalysisFixture(try TrainingFixture(family.configuration), steps: 60)
    let result = try fixture.analyse()
    let chosen = try #require(result.chosen)
    let record = try fixture.fixture.train(
      SparseAdaptation(
        scheme: chosen.candidate.scheme, headRows: try fixture.context().headRows),
      TrainingFixture.settings(steps: 12, learningRate: chosen.learningRate))
    #expect((record.losses.last ?? .nan) < (record.losses.first ?? .nan))
  }

  /// Probes read the checkpoint and nothing else: its bytes stay what they were, and a run
  /// afterwards has the losses of a run before.
  @Test func leavesModelAndTrainingAlone() throws {
    let fixture = AnalysisFixture(try TrainingFixture(TinyModel.configuration(layers: 3)))
    let path = fixture.fixture.checkpoint.path
    let before = try TemporaryFolder.read(path)
    let settings = TrainingFixture.settings(steps: 6)
    func losses() throws -> [Double] {
      try fixture.fixture.train(fixture.fixture.adaptation(.sparse), settings).losses
    }
    let first = try losses()
    _ = try fixture.analyse()
    #expect(try TemporaryFolder.read(path) == before)
    #expect(try losses() == first)
  }

  /// The run that goes on from the winner's probe has the losses of a run of that scheme from its
  /// first step, bit for bit.
  @Test func theWinnersStepsAreTheRunsFirst() throws {
    let fixture = AnalysisFixture(
      try TrainingFixture(TinyModel.configuration(layers: 3)), steps: 60)
    let result = try fixture.analyse(AnalysisSettings(share: 5))
    let index = try #require(result.candidates.firstIndex { $0.isChosen })
    let chosen = result.candidates[index]
    let probed = try #require(chosen.rounds.last).steps
    #expect(probed > 0 && result.reports.map(\.step) == Array(1...probed))

    var settings = fixture.settings
    settings.schedule.peak = chosen.learningRate
    let context = try fixture.context()
    let adaptation = SparseAdaptation(
      scheme: chosen.candidate.scheme, headRows: context.headRows)
    func train(_ store: SnapshotStore?, resuming: Bool) throws -> [Double] {
      try fixture.fixture.train(
        adaptation, settings, text: fixture.text, store: store, resuming: resuming
      ).losses
    }
    let straight = try train(nil, resuming: false)
    let continued = try train(
      context.store(index, chosen.candidate, chosen.learningRate), resuming: true)
    #expect(straight == result.reports.map(\.loss) + continued)
    #expect(continued.count == 60 - probed)
    // Of the others nothing is left.
    let left = try Folder.names(fixture.fixture.folder["candidates"]).sorted()
    #expect(left == [WorkFolder.markerName, "\(index)"])
  }

  /// Validations that were due in the winner's probe are made up for when the run goes on from it,
  /// with the losses and the best snapshot of a run that was never a probe.
  @Test func validationsInTheProbeAreMadeUpFor() throws {
    var fixture = AnalysisFixture(
      try TrainingFixture(TinyModel.configuration(layers: 3)), steps: 60)
    fixture.settings.validateEvery = 7
    let result = try fixture.analyse(AnalysisSettings(share: 5))
    let index = try #require(result.candidates.firstIndex { $0.isChosen })
    let chosen = result.candidates[index]
    #expect(try #require(chosen.rounds.last).steps >= 14)
    var settings = fixture.settings
    settings.schedule.peak = chosen.learningRate
    let context = try fixture.context()
    let adaptation = SparseAdaptation(
      scheme: chosen.candidate.scheme, headRows: context.headRows)
    func train(_ store: SnapshotStore, earlier: [StepReport]) throws -> TestSupport.RunRecord {
      try fixture.fixture.train(
        adaptation, settings, text: fixture.text, validation: fixture.validation, store: store,
        resuming: !earlier.isEmpty, earlier: earlier)
    }
    let straight = try train(try fixture.fixture.store("straight"), earlier: [])
    let store = try fixture.fixture.store("run")
    try store.takeOver(
      context.store(index, chosen.candidate, chosen.learningRate), reports: result.reports)
    let continued = try train(store, earlier: result.reports)
    #expect(continued.losses == straight.losses && continued.losses.count == 60)
    #expect(continued.validations == straight.validations && straight.validations.count == 10)
    #expect(continued.summary.bestValidationLoss == straight.summary.bestValidationLoss)
    #expect(continued.summary.initialValidationLoss == straight.summary.initialValidationLoss)
    #expect(try Folder.names(store.folder).sorted() == ["best", "last"])
  }

  @Test func keepsTheBudget() throws {
    var fixture = AnalysisFixture(try TrainingFixture(TinyModel.configuration(layers: 3)))
    for flopsShare in [0.6, 0.7] {
      fixture.budget = SchemeBudget(bytes: nil, flopsShare: flopsShare)
      for result in try fixture.analyse(AnalysisSettings(share: 0.5)).candidates {
        #expect(result.candidate.cost.flopsShare <= flopsShare)
      }
    }
  }

  @Test func refusesWhatNothingFits() throws {
    var fixture = AnalysisFixture(try TrainingFixture())
    fixture.budget = SchemeBudget(bytes: 1000, flopsShare: 0.01)
    let error = #expect(throws: TrainingError.self) { try fixture.analyse() }
    guard case .budget(let bytes, let flopsShare) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    fixture.budget = SchemeBudget(bytes: bytes, flopsShare: flopsShare)
    #expect(try fixture.analyse(AnalysisSettings(share: 0)).chosen != nil, "those figures do")
  }

  @Test func measuresNothingForNothing() throws {
    let fixture = AnalysisFixture(try TrainingFixture())
    let result = try fixture.analyse(AnalysisSettings(share: 0))
    #expect(result.probes == 0 && result.reports.isEmpty)
    #expect(result.plan.scannedBatches == 1 && result.priceShare < 0.05, "one look at gradients")
    #expect(result.chosen?.candidate.kind == .lastBlocksWithHead)
    #expect(result.chosen?.learningRate ?? 0 > 0, "the rule's rate")
    let fixed = try fixture.analyse(AnalysisSettings(share: 0), fixedRate: 3e-3)
    #expect(fixed.priceShare == 0 && fixed.gradients.isEmpty)
  }

  @Test func aFixedRateIsKept() throws {
    let fixture = AnalysisFixture(try TrainingFixture())
    let result = try fixture.analyse(AnalysisSettings(share: 2), fixedRate: 3e-3)
    #expect(result.calibration == nil)
    #expect(result.candidates.allSatisfy { $0.learningRate == 3e-3 })
  }

  @Test func stopsWhenAsked() throws {
    let fixture = AnalysisFixture(try TrainingFixture())
    var asked = 0
    let error = #expect(throws: TrainingError.self) {
      try fixture.analyse(
        AnalysisSettings(share: 2),
        shouldStop: {
          asked += 1
          return asked > 30
        })
    }
    guard case .interrupted = error else { throw error ?? TrainingError.interrupted }
  }

  @Test func jsonHasTheContractsKeys() throws {
    let fixture = AnalysisFixture(try TrainingFixture(TinyModel.configuration(layers: 3)))
    let json = try fixture.analyse(AnalysisSettings(share: 40)).record.json
    for key in [
      "base_loss", "noise", "probe", "tensors", "candidates", "scheme", "predicted_gain", "budget",
      "step_time", "planned_bytes",
    ] {
      #expect(json[key] != nil, "\(key)")
    }
    for key in ["steps", "batches", "learning_rate", "seconds"] {
      #expect(json["probe"]?[key] != nil, "\(key)")
    }
    let tensors = try #require(json["tensors"]?.array)
    #expect(tensors.count == 7 * 3 + 1)
    for tensor in tensors {
      for key in ["name", "score", "gain", "flops", "bytes", "fisher", "gradient"] {
        #expect(tensor[key] != nil, "\(key)")
      }
      #expect(tensor["gain"]?.double != nil && tensor["measured"] == .bool(true))
    }
    #expect(try JSONValue.decode(json.encoded(), source: "json") == json)
  }
}
