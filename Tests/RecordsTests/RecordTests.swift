import Records
import Storage
import Testing

/// Every record is what it was after it has been written and read.
@Suite struct RecordTests {
  private func expectSame<Record: JSONRecord>(_ record: Record) throws {
    let text = record.json.encoded()
    #expect(!text.contains("\n"), "an event is a line")
    let json = try JSONValue.decode(text)
    #expect(Record(json) == record, "\(Record.self)")
    #expect(Record(json)?.json.encoded() == text)
  }

  @Test func writtenAndReadBack() throws {
    for record in RecordSamples.all { try expectSame(record) }
  }

  /// What later versions add does not matter.
  @Test func unknownKeysArePassedOver() throws {
    func expectSame<Record: JSONRecord>(_ record: Record) {
      guard case .object(var object) = record.json, !(record is ProductsFile) else { return }
      object["added_later"] = ["x": 1]
      #expect(Record(.object(object)) == record, "\(Record.self)")
    }
    for record in RecordSamples.all { expectSame(record) }
  }

  @Test func missingKeysAreDefaults() {
    #expect(RunSummary([:]) == RunSummary())
    #expect(RunSummary(["reason": "of another version"]).reason == .finished)
    #expect(AnalysisRecord([:]) == AnalysisRecord())
    #expect(MemoryForecast(.null) == MemoryForecast())
    #expect(MemorySchedule(.null).buffers == [] && KernelTimes(.null).kernels == [])
    #expect(MemorySchedule(["buffers": [["x", "input", 0, 8, 3, 2], ["x"]]]).buffers == [])
    #expect(MemoryForecast(["weights": .int(.max), "workspace": 1]).total == .max)
    #expect(RunEvent(["type": "warning"]) == .warning(""))
    #expect(
      RunEvent(["type": "start"]).map { event in
        if case .start(let run) = event { run.steps == 0 && run.choice == nil } else { false }
      } == true)
    #expect(
      RunEvent(["type": "analysis", "seconds": 2])
        == .analysis(
          .learningRate(CalibrationRecord(key: "", learningRate: 0, calibration: [], seconds: 2))))
    #expect(RunDecision(.null) == nil)
    #expect(RunDecision([:]) == RunDecision(scheme: nil, learningRate: nil))
    #expect(StateRecord(["step": -3]).progress.step == 0)
    #expect(LossCurve([[1, 2], [3], "x"]) == LossCurve([.init(seconds: 1, loss: 2)]))
  }

  /// What means nothing without a value is not made up.
  @Test func eventsThatAreNone() {
    let lines: [JSONValue] = [
      [:], ["type": "of another version"], ["type": "step", "loss": 1], ["type": "validation"],
      ["type": "snapshot", "step": 1, "kind": "middle"], 3, .null,
    ]
    for line in lines { #expect(RunEvent(line) == nil, "\(line)") }
    #expect(ProductRecord(["kernel": "linear_f32", "m": 1, "n": 2, "k": 3]) == nil)
    #expect(ComparisonRow(["method": "full"]) == nil)
  }

  /// A loss that is not a number is null in JSON.
  @Test func lossesThatAreNotFinite() throws {
    let line = RunEvent.validation(step: 1, loss: .nan, best: false).json.encoded()
    guard case .validation(1, let loss, false, nil) = RunEvent(try JSONValue.decode(line)) else {
      Issue.record("\(line)")
      return
    }
    #expect(loss.isNaN)
    #expect(CalibrationPoint(rate: 1, loss: .infinity).json == [.number(1), .null])
  }

  /// What the file says of other machines stays as it is.
  @Test func otherMachinesStay() throws {
    var file = ProductsFile(try JSONValue.decode(#"{"one": {"of": ["another", "version"]}}"#))
    file["two"] = MachineProducts(build: "b", products: [RecordSamples.product])
    #expect(file.json["one"] == ["of": ["another", "version"]])
    #expect(file["two"]?.products == [RecordSamples.product] && file["three"] == nil)
    #expect(file.names == ["one", "two"])
  }
}
