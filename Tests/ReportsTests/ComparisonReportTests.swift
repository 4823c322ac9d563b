import Records
import Storage
import Testing

@testable import Reports

@Suite struct ComparisonReportTests {
  /// Two seeds; LoRA takes 10 s and ends at 3; sparse takes 20 s with 2 s of analysis in front.
  private static let report: ComparisonReport = {
    func sparse(_ seed: Int, _ losses: [Double]) -> ComparisonRow {
      var row = Runs.row("sparse auto", seed: seed, loss: losses.last)
      row.analysisSeconds = 2
      row.trainingSeconds = 20
      row.trainableParameters = 1000 + seed
      row.deltaBytes = 4096
      row.curve = LossCurve(
        zip([2, 12, 22], [5] + losses).map { .init(seconds: $0, loss: $1) })
      return row
    }
    return Runs.report([
      sparse(0, [4, 2]), Runs.row("lora r8", seed: 0, loss: 3), sparse(1, [4, 3.5]),
      Runs.row("lora r8", seed: 1, loss: 3),
    ])
  }()

  private func summary(_ label: String) throws -> MethodSummary {
    try #require(Self.report.summaries.first { $0.label == label })
  }

  @Test func lossAtEqualTime() throws {
    // At 10 s, analysis included: four fifths of the variant from 5 to 4.
    #expect(try summary("sparse auto").lossAtEqualTime.values == [4.2, 4.2])
    #expect(try summary("lora r8").lossAtEqualTime.values == [3, 3])
  }

  @Test func timeToTheReferencesLoss() throws {
    let sparse = try summary("sparse auto")
    // Half-variant from 4 to 2; in the second seed it stays above 3.
    #expect(sparse.secondsToReferenceLoss.values == [17])
    #expect(sparse.comparedSeeds == 2)
    #expect(sparse.timeRatio.values == [1.7])
    #expect(try summary("lora r8").timeRatio.values == [1, 1])
  }

  /// What the reference overshoots it has to reach only once: its own time is a first crossing too.
  @Test func theReferencesOwnTimeIsItsFirstCrossing() throws {
    var lora = Runs.row("lora r8", loss: 3)
    lora.curve = LossCurve([
      .init(seconds: 0, loss: 5), .init(seconds: 4, loss: 3), .init(seconds: 6, loss: 2.9),
      .init(seconds: 10, loss: 3),
    ])
    let report = Runs.report([Runs.row("sparse auto", loss: 3, seconds: 8), lora])
    #expect(report.summaries.map(\.timeRatio.values) == [[2], [1]])
  }

  @Test func summariesAreJSON() throws {
    let json = try summary("sparse auto").record.json
    #expect(json["type"] == "summary")
    #expect(json["seeds"] == 2)
    #expect(json["trainable_parameters"] == 1001)
    #expect(json["delta_bytes"] == 4096)
    #expect(json["analysis_seconds"]?.double == 2)
    #expect(json["final_validation_loss"]?["mean"]?.double == 2.75)
    for key in ["low", "high", "sd"] {
      #expect(json["final_validation_loss"]?[key]?.double != nil, "\(key)")
    }
    #expect(json["loss_at_equal_time"]?["mean"]?.double == 4.2)
    #expect(
      json["seconds_to_reference_loss"] == ["mean": .number(17), "reached": 1, "of": 2])
    #expect(json["time_ratio"]?["mean"]?.double == 1.7)
    #expect(json["time_ratio"]?["low"] == .null)
    #expect(try summary("lora r8").record.json["delta_bytes"] == .null)
  }

  @Test func theWholeIsJSON() throws {
    let json = Self.report.record(isComplete: true).json
    #expect(json["complete"] == true)
    #expect(json["rows"]?.array?.count == 4)
    #expect(json["summaries"]?.array?.count == 2)
    #expect(json["verdict"]?["type"] == "verdict")
    #expect(json["reference"] == "lora r8")
    #expect(try JSONValue.decode(json.encoded(.pretty)) == json)
    let partial = Self.report.record(isComplete: false).json
    #expect(partial["complete"] == false)
    #expect(partial["verdict"] == .null)
    #expect(
      Self.report.closingLines.map { $0["type"]?.string } == ["summary", "summary", "verdict"])
  }

  /// 12.7062 · sd / √2 with sd = 1.5/√2.
  @Test func table() {
    let lines = Self.report.table.text.split(separator: "\n")
    #expect(
      lines[0].hasSuffix("analysis  training time  loss at equal time  time to lora r8's loss"))
    #expect(lines[2].contains("2.7500 ± 9.5297"))
    #expect(lines[2].hasSuffix("17 s (1.70x), 1 of 2"))
    #expect(lines[2].contains("4.00 KiB     2.0 s"))
    #expect(lines[3].hasSuffix("10 s (1.00x)"))
  }

  @Test func whatIsUnknownIsADash() {
    let report = Runs.report([
      Runs.row("sparse auto", loss: nil), Runs.row("lora r8", loss: nil),
    ])
    #expect(report.table.rows[0][2] == "–")
    #expect(Array(report.table.rows[0].suffix(2)) == ["–", "–"])
    let never = Runs.seeds(sparse: [4], lora: [3])
    #expect(never.table.rows[0].last == "never")
  }

  /// Early stopping asks for the best snapshot, so that is what counts, for all methods.
  @Test func earlyStoppingCountsTheBestSnapshot() throws {
    var stopped = Runs.row("sparse auto", loss: 3.5)
    stopped.bestLoss = 2.5
    stopped.reason = .earlyStopping
    stopped.curve = LossCurve([
      .init(seconds: 0, loss: 5), .init(seconds: 5, loss: 2.5), .init(seconds: 8, loss: 3.5),
    ])
    var finished = stopped
    finished.reason = .finished
    let lora = Runs.row("lora r8", loss: 3)

    let best = Runs.report([stopped, lora])
    #expect(best.counted == .best)
    #expect(best.verdict.outcome == .win)
    #expect(best.summaries.first?.lossAtEqualTime.values == [2.5])
    #expect(best.table.columns[2].title == "best held-out loss")
    #expect(best.verdict.record.json["counted_loss"] == "best_validation_loss")

    let final = Runs.report([finished, lora])
    #expect(final.counted == .final)
    #expect(final.verdict.outcome == .loss)
    #expect(final.summaries.first?.lossAtEqualTime.values == [3.5])
  }

  @Test func rowsHaveTheirKeysInOrder() {
    let keys = Runs.row("full", loss: 3).json.object?.keys
    #expect(
      keys == [
        "method", "label", "seed", "trainable_parameters", "initial_validation_loss",
        "final_validation_loss", "best_validation_loss", "tokens", "tokens_per_second", "seconds",
        "analysis_seconds", "training_seconds", "planned_bytes", "peak_rss_bytes", "delta_bytes",
        "flops_per_token", "learning_rate", "reason", "curve",
      ])
  }
}
