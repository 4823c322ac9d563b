import Records
import Storage
import TestSupport
import Testing

/// Files that version 0.1.0 wrote are read whole: written again they are the same, key by key.
@Suite struct EarlierFilesTests {
  private static func path(_ name: String) -> String {
    SharedData.packageRoot + "/Tests/RecordsTests/Fixtures/" + name
  }

  private func read<Record: JSONRecord>(_ name: String, as type: Record.Type) throws -> Record {
    let path = Self.path(name)
    let record = try #require(Record(file: path))
    #expect(record.json.encoded() == (try JSONValue.read(path: path)).encoded(), "\(name)")
    return record
  }

  @Test func events() throws {
    let text = String(
      decoding: try TemporaryFolder.read(Self.path("events.jsonl")), as: UTF8.self)
    var types = Set<String>()
    for line in text.split(separator: "\n") {
      let json = try JSONValue.decode(String(line))
      types.insert(try #require(json["type"]?.string))
      #expect(RunEvent(json)?.json.encoded() == String(line))
    }
    #expect(
      types == [
        "start", "plan", "analysis", "warning", "sample", "validation", "step", "snapshot", "done",
      ])
  }

  @Test func summary() throws {
    let summary = try read("summary.json", as: RunSummary.self)
    #expect(summary.steps == 24 && summary.tokens == 768 && summary.reason == .finished)
    #expect(summary.finalValidationLoss == 3.7592198602084457)
  }

  @Test func contributions() throws {
    let record = try read("contributions.json", as: AnalysisRecord.self)
    #expect(record.candidates.count == 9 && record.candidates.count { $0.isChosen } == 1)
    #expect(record.candidates.first { $0.isChosen }?.scheme == record.scheme)
    #expect(record.scheme.count == 22 && record.tensors.count == 23)
    #expect(record.calibration.count == 5 && record.budget.flopsShare == 0.8)
    #expect(record.baseLoss != nil && record.predictedGain != nil)
  }

  @Test func learningRate() throws {
    let record = try read("learning_rate.json", as: CalibrationRecord.self)
    #expect(record.learningRate == 1.6620515146468613 && record.calibration.count == 4)
  }

  @Test func comparison() throws {
    let record = try read("compare.json", as: ComparisonRecord.self)
    #expect(record.isComplete && record.rows.count == 6 && record.summaries.count == 3)
    #expect(record.subject == "full" && record.verdict?.outcome == .win)
    #expect(record.rows.allSatisfy { $0.curve.points.count == 2 && $0.deltaBytes != nil })
  }

  @Test func products() throws {
    let file = try read("products.json", as: ProductsFile.self)
    let machine = try #require(file.names.first)
    #expect(file[machine]?.products.count == 18)
    #expect(file[machine]?.products.first?.chosen == "tiles by rows")
  }

  /// The values of a training state.
  @Test func state() throws {
    let record = try read("state.json", as: StateRecord.self)
    #expect(record.progress.step == 24 && record.method["type"] == "sparse")
    #expect(record.decision?.scheme?["head"] == 1 && record.decision?.products == [])
    #expect(record.progress.batches.tokensPerStep == 32)
    // A recipe's budget says `step_flops` now, and the state is of the same method.
    let budget = try #require(record.presentMethod["budget"])
    #expect(budget == ["memory_mb": nil, "step_flops": 0.8])
    #expect(record.presentMethod["tensors"] == record.method["tensors"])
  }

  @Test func evaluation() throws {
    let record = try read("evaluation.json", as: EvaluationRecord.self)
    #expect(record.tokens == 2908 && record.loss == 5.961447073472088)
  }

  @Test func filesThatAreNone() throws {
    let folder = try TemporaryFolder()
    #expect(RunSummary(file: folder["none.json"]) == nil)
    try folder.write("{\"steps\": ", to: "damaged.json")
    #expect(RunSummary(file: folder["damaged.json"]) == nil)
  }
}
