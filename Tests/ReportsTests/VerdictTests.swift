import Records
import Testing

@testable import Reports

/// Runs made up from their losses.
enum Runs {
  /// A run of 10 s with a validation at the end of it.
  static func row(
    _ label: String, seed: Int = 0, loss: Double?, seconds: Double = 10, speed: Double = 1000,
    peak: Int = 1000, method: String? = nil
  ) -> ComparisonRow {
    let type = label.split(separator: " ").first.map(String.init) ?? label
    var row = ComparisonRow(method: method ?? type, label: label, seed: seed)
    row.initialLoss = loss == nil ? nil : 5
    row.finalLoss = loss
    row.bestLoss = loss
    row.tokensPerSecond = speed
    row.peakResidentBytes = peak
    row.plannedBytes = peak
    row.trainingSeconds = seconds
    if let loss {
      row.curve = LossCurve([.init(seconds: 0, loss: 5), .init(seconds: seconds, loss: loss)])
    }
    return row
  }

  /// A comparison of "sparse auto" with "lora r8".
  static func report(_ rows: [ComparisonRow], subject: String = "sparse auto") -> ComparisonReport {
    var report = ComparisonReport(subject: subject, reference: "lora r8")
    report.rows = rows
    return report
  }

  /// One run a seed of both methods.
  static func seeds(sparse: [Double], lora: [Double]) -> ComparisonReport {
    report(
      sparse.indices.flatMap { seed in
        [
          row("sparse auto", seed: seed, loss: sparse[seed], seconds: 5, speed: 1500, peak: 700),
          row("lora r8", seed: seed, loss: lora[seed]),
        ]
      })
  }
}

@Suite struct VerdictTests {
  @Test func win() {
    let verdict = Runs.seeds(sparse: [2.9, 3.0, 3.1], lora: [3.4, 3.52, 3.58]).verdict
    #expect(verdict.outcome == .win)
    #expect(verdict.method == "sparse auto")
    #expect(
      verdict.text == """
        sparse auto wins here: 0.5000 nats lower than lora r8 (95 % interval 0.4503 to 0.5497 over 3 \
        seeds), at 1.50x the tokens/s and 0.70x the memory of lora r8; it reaches lora r8's loss in \
        0.37x the time.
        """)
  }

  @Test func loss() {
    let verdict = Runs.seeds(sparse: [3.4, 3.52, 3.58], lora: [2.9, 3.0, 3.1]).verdict
    #expect(verdict.outcome == .loss)
    #expect(
      verdict.text == """
        LoRA wins here: lora r8 is 0.5000 nats lower than sparse auto (95 % interval 0.4503 to \
        0.5497 over 3 seeds); sparse auto runs at 1.50x the tokens/s and 0.70x the memory of \
        lora r8 and never reaches lora r8's loss.
        """)
  }

  @Test func noise() {
    let verdict = Runs.seeds(sparse: [3.0, 3.2, 3.0], lora: [3.1, 3.1, 3.1]).verdict
    #expect(verdict.outcome == .noise)
    #expect(
      verdict.text == """
        No winner here: sparse auto and lora r8 are 0.0333 nats apart, which is noise (95 % interval \
        −0.3202 to 0.2535 over 3 seeds); sparse auto runs at 1.50x the tokens/s and 0.70x the memory \
        of lora r8 and reaches lora r8's loss in 2 of 3 seeds in 0.48x the time.
        """)
  }

  /// Times that the seeds disagree on are no advantage, however clear the losses are.
  @Test func aTimeRatioThatMayBeOneIsSaid() {
    let report = Runs.report([
      Runs.row("sparse auto", seed: 0, loss: 3, seconds: 4),
      Runs.row("lora r8", seed: 0, loss: 3.5),
      Runs.row("sparse auto", seed: 1, loss: 3, seconds: 12),
      Runs.row("lora r8", seed: 1, loss: 3.5),
    ])
    // 0.3 and 0.9: 0.6 ± 12.7062 · 0.3.
    let text = report.verdict.text
    #expect(report.verdict.outcome == .win)
    #expect(
      text.hasSuffix(
        "in 0.60x the time, which is not certain (95 % interval −3.21 to 4.41)."))
  }

  /// A large gap between means says nothing if the seeds disagree, a small one much if they agree.
  @Test func theIntervalDecidesAndNotTheGap() {
    #expect(Runs.seeds(sparse: [2.0, 3.4], lora: [3, 3]).verdict.outcome == .noise)
    let small = Runs.seeds(sparse: [2.995, 3.0951, 3.1949], lora: [3, 3.1, 3.2])
    #expect(small.verdict.outcome == .win)
  }

  @Test(arguments: [
    (2.98, Verdict.Outcome.win), (2.981, .noise), (3.0, .noise), (3.019, .noise), (3.021, .loss),
  ])
  func oneSeed(_ loss: Double, _ outcome: Verdict.Outcome) {
    let verdict = Runs.seeds(sparse: [loss], lora: [3.0000001]).verdict
    #expect(verdict.outcome == outcome)
    #expect(
      verdict.text.contains("(one seed: differences under about 0.02 nats mean nothing)"))
  }

  @Test func aThirdMethodThatIsBetterIsNamed() {
    let rows = Runs.seeds(sparse: [3], lora: [3.5]).rows
    let text = Runs.report(rows + [Runs.row("full", loss: 2.75)]).verdict.text
    #expect(text.hasPrefix("sparse auto wins here against lora r8: 0.5000 nats lower"))
    #expect(text.hasSuffix("; the lowest loss is full's, 0.2500 nats below sparse auto."))
    // Not if it may be chance.
    let close = Runs.report(rows + [Runs.row("full", loss: 2.99)]).verdict.text
    #expect(!close.contains("full"))
    let lora = Runs.report(
      Runs.seeds(sparse: [3.5], lora: [3]).rows + [Runs.row("full", loss: 2.75)])
    #expect(lora.verdict.text.hasPrefix("LoRA wins here against sparse auto: lora r8 is 0.5000"))
  }

  @Test func aRecipeOfLoRAIsHeldAgainstTheBestOther() {
    let rows = [
      Runs.row("lora r8", loss: 3), Runs.row("full", loss: 3.2), Runs.row("norms", loss: 3.6),
    ]
    let verdict = Runs.report(rows, subject: "lora r8").verdict
    #expect(verdict.method == "full")
    #expect(verdict.text.hasPrefix("LoRA wins here: lora r8 is 0.2000 nats lower than full"))
  }

  @Test func amongLoRAsTheWinnerHasItsLabel() {
    let rows = [Runs.row("lora r8 qv", loss: 3.3), Runs.row("lora r8", loss: 3)]
    let text = Runs.report(rows, subject: "lora r8 qv").verdict.text
    #expect(text.hasPrefix("lora r8 wins here: lora r8 is 0.3000 nats lower than lora r8 qv"))
  }

  @Test func trainingThatDidHarmIsSaid() {
    let text = Runs.seeds(sparse: [5.5], lora: [4]).verdict.text
    #expect(text.hasSuffix("; sparse auto ends no better than the base, whose loss is 5.0000."))
  }

  @Test func nothingToCompare() {
    let unscored = Runs.report([
      Runs.row("sparse auto", loss: nil), Runs.row("lora r8", loss: nil),
    ]).verdict
    #expect(unscored.outcome == .undecided)
    #expect(unscored.text.contains("data.validation"))
    #expect(unscored.record.json["method"] == .null)

    var without = Runs.report([Runs.row("sparse auto", loss: 3), Runs.row("full", loss: 3)])
    without.leftOut = [.init(label: "lora r8", seed: 0, reason: "")]
    #expect(without.verdict.text.contains("lora r8, which the others are held against"))
    #expect(Runs.report([Runs.row("sparse auto", loss: 3)]).verdict.outcome == .undecided)
    #expect(Runs.report([]).verdict.outcome == .undecided)
  }
}
