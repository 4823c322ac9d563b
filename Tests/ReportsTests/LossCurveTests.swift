import Records
import Storage
import Testing

@testable import Reports

@Suite struct LossCurveTests {
  private static let curve = LossCurve([
    .init(seconds: 2, loss: 5), .init(seconds: 12, loss: 3), .init(seconds: 22, loss: 3.5),
    .init(seconds: 32, loss: 2.5),
  ])

  @Test(arguments: [
    (-1, 5), (0, 5), (2, 5), (7, 4), (12, 3), (17, 3.25), (22, 3.5), (27, 3), (32, 2.5), (99, 2.5),
  ])
  func lossAt(_ seconds: Double, _ loss: Double) {
    #expect(Self.curve.loss(at: seconds) == loss)
  }

  @Test(arguments: [(6, 2), (5, 2), (4, 7), (3, 12), (2.75, 29.5), (2.5, 32)])
  func firstTimeToReach(_ loss: Double, _ seconds: Double) {
    #expect(Self.curve.seconds(toReach: loss) == seconds)
  }

  @Test func neverReached() {
    #expect(Self.curve.seconds(toReach: 2.4999) == nil)
  }

  @Test func withoutValidations() {
    let curve = LossCurve([])
    #expect(curve.loss(at: 1) == nil)
    #expect(curve.seconds(toReach: 1) == nil)
    #expect(curve.finalSeconds == nil)
    #expect(curve.json == [])
  }

  @Test func aSinglePoint() {
    let curve = LossCurve([.init(seconds: 1, loss: 2)])
    #expect(curve.loss(at: 0) == 2)
    #expect(curve.loss(at: 9) == 2)
    #expect(curve.seconds(toReach: 2) == 1)
  }

  @Test func bestSnapshots() {
    #expect(Self.curve.ofBestSnapshots.points.map(\.loss) == [5, 3, 3, 2.5])
    // The base is no snapshot, so a run that only gets worse stays above it.
    let worse = LossCurve([.init(seconds: 0, loss: 1), .init(seconds: 1, loss: 2)])
    #expect(worse.ofBestSnapshots == worse)
  }

  @Test func json() {
    #expect(Self.curve.json[1] == [.number(12), .number(3)])
  }
}

@Suite struct RunRecordTests {
  static func record(_ lines: [String]) throws -> RunRecord {
    var record = RunRecord()
    for line in lines { record.add(try #require(RunEvent(try JSONValue.decode(line)))) }
    return record
  }

  static let start =
    #"{"type": "start", "method": "lora", "trainable_parameters": 7, "learning_rate": 0.003}"#
  static let steps = [
    #"{"type": "plan", "flops_per_token": 12.0}"#,
    #"{"type": "validation", "step": 0, "loss": 5.0}"#,
    #"{"type": "step", "step": 1, "step_seconds": 1.0}"#,
    #"{"type": "step", "step": 2, "step_seconds": 2.0}"#,
    #"{"type": "validation", "step": 2, "loss": 4.0}"#,
    #"{"type": "step", "step": 3, "step_seconds": 4.0}"#,
    #"{"type": "validation", "step": 3, "loss": 4.5}"#,
  ]
  static let done = #"""
    {"type": "done", "tokens": 96, "initial_validation_loss": 5.0, "final_validation_loss": 4.5,
    "best_validation_loss": 4.0, "tokens_per_second": 10.5, "planned_bytes": 100,
    "peak_rss_bytes": 110, "seconds": 9.0, "reason": "finished"}
    """#

  @Test func aRunsEventsBecomeARow() throws {
    let record = try Self.record([Self.start] + Self.steps + [Self.done])
    let row = try #require(record.row(label: "lora r8", seed: 3, deltaBytes: 55))
    #expect(row.method == "lora" && row.label == "lora r8" && row.seed == 3)
    #expect(row.trainableParameters == 7 && row.learningRate == 0.003)
    #expect((row.initialLoss, row.finalLoss, row.bestLoss) == (5, 4.5, 4))
    #expect(row.tokens == 96 && row.tokensPerSecond == 10.5 && row.flopsPerToken == 12)
    #expect(row.plannedBytes == 100 && row.peakResidentBytes == 110 && row.deltaBytes == 55)
    #expect(row.seconds == 9 && row.trainingSeconds == 7 && row.analysisSeconds == 0)
    #expect(row.curve.points.map(\.seconds) == [0, 3, 7])
    #expect(row.curve.points.map(\.loss) == [5, 4, 4.5])
  }

  @Test func noRowBeforeTheEnd() throws {
    #expect(
      try Self.record([Self.start] + Self.steps).row(label: "", seed: 0, deltaBytes: nil) == nil)
  }

  @Test func analysisStandsInFront() throws {
    let analysis = [
      #"{"type": "analysis", "seconds": 10.0}"#, #"{"type": "analysis", "seconds": 5}"#,
    ]
    let record = try Self.record([Self.start] + analysis + Self.steps + [Self.done])
    let row = try #require(record.row(label: "", seed: 0, deltaBytes: nil))
    #expect(row.analysisSeconds == 15 && row.trainingSeconds == 7)
    #expect(row.curve.points.map(\.seconds) == [15, 18, 22])
  }

  /// A run whose tensors an earlier one has measured says so when it starts.
  @Test func analysisOfAnEarlierRun() throws {
    let start = #"{"type": "start", "analysis_seconds": 2.5}"#
    let row = try Self.record([start] + Self.steps + [Self.done]).row(
      label: "", seed: 0, deltaBytes: nil)
    #expect(row?.analysisSeconds == 2.5)
    #expect(row?.curve.points.first?.seconds == 2.5)
  }

  /// After a crash a resumed run does steps again; their times count once.
  @Test func stepsDoneAgainCountOnce() throws {
    let again = #"{"type": "step", "step": 3, "step_seconds": 3.0}"#
    let record = try Self.record([Self.start] + Self.steps + [Self.start, again, Self.done])
    let row = try #require(record.row(label: "", seed: 0, deltaBytes: nil))
    #expect(row.trainingSeconds == 6)
    #expect(row.curve.finalSeconds == 6)
  }

  @Test func remainingTime() {
    var time = RemainingTime()
    #expect(time.estimate(["a"]) == nil)
    time.add("a", seconds: 10)
    time.add("b", seconds: 20)
    time.add("b", seconds: 40)
    #expect(time.estimate(["a", "b"]) == 40)
    // One that has not run yet is taken for an average run.
    #expect(time.estimate(["c"]) == 70.0 / 3)
    #expect(time.estimate([]) == 0)
  }
}
