import Records
import Reports
import Tensors

/// All methods of a comparison: the verdict, differences with their intervals, and the final table.
struct ComparisonFigure {
  let record: ComparisonRecord
  let lineup: Lineup

  /// Labels are cut: there may be anything in a file.
  init(record: ComparisonRecord, lineup: Lineup) {
    var record = record
    record.summaries = record.summaries.prefix(60).map { summary in
      var summary = summary
      summary.label = summary.label.cut(to: 48)
      return summary
    }
    record.reference = record.reference.cut(to: 48)
    record.subject = record.subject.cut(to: 48)
    (self.record, self.lineup) = (record, lineup)
  }

  /// Nil where no run has ended yet.
  var section: Section? {
    guard !record.rows.isEmpty else { return nil }
    var body = Markup.empty
    if let verdict = record.verdict {
      body += .element("p", ["class": "verdict"], Markup(text: verdict.text.cut(to: 2000)))
    }
    if record.summaries.filter({ $0.difference.mean != nil }).count > 1 {
      body += Section.figure(
        "Difference to \(record.reference)", differences, style: "wide")
      body += Section.note(differenceNote)
    }
    body += losses.markup + costs.markup
    body += Section.note(tableNote)
    if !record.leftOut.isEmpty {
      let items = record.leftOut.prefix(60).map { method in
        Markup.element(
          "li", [:],
          Markup(
            text: "\(method.label.cut(to: 48)), seed \(method.seed): \(method.reason.cut(to: 400))")
        )
      }
      body +=
        .element("p", [:], Markup(text: "Left out:"))
        + .element("ul", ["class": "warnings"], items.joined())
    }
    return Section(
      id: "comparison", title: "Comparison",
      intro: record.isComplete
        ? "All methods on the same batches."
        : "Not complete: \(record.rows.count) runs have ended so far, so there is no verdict yet.",
      body: body)
  }

  private var hasIntervals: Bool { record.summaries.contains { $0.difference.low != nil } }

  private var differenceNote: String {
    hasIntervals
      ? "Lower is better. Bars are 95 % intervals of the paired differences; one that crosses zero is noise."
      : "Lower is better. One seed has no interval: differences under about 0.02 nats mean nothing."
  }

  /// A row for each method: its loss minus the reference's, with its interval.
  private var differences: Markup {
    let rows = record.summaries.filter { $0.difference.mean != nil && $0.label != record.reference }
    let values = rows.flatMap { [$0.difference.mean, $0.difference.low, $0.difference.high] }
      .compactMap(\.self)
    let scale = Scale(values, from: 16, to: 504, includesZero: true, padding: 0.06)
    let bottom = 8 + 44 * Double(rows.count)
    var svg = SVG(
      id: "differences", width: 520, height: bottom + 48,
      title: "Difference to \(record.reference)",
      description: rows.map { "\($0.label): \(words($0.difference))" }.joined(separator: ". "))
    let ticks = scale.ticks(5)
    for tick in ticks {
      svg.line(scale.place(tick), 8, scale.place(tick), bottom, style: "grid")
      svg.text(
        Self.signed(tick, AxisUnit.plain.label(abs(tick), among: ticks)), x: scale.place(tick),
        y: bottom + 17, anchor: .middle, style: "tick")
    }
    svg.line(scale.place(0), 4, scale.place(0), bottom + 4, style: "peak")
    svg.text(
      "held-out loss minus \(LineChart.short(record.reference))’s, in nats", x: 260, y: bottom + 38,
      anchor: .middle, style: "axis-title")
    for (index, row) in rows.enumerated() {
      let (y, colour) = (8 + 44 * Double(index), lineup.colour(of: row.label) % Theme.colours)
      svg.text(
        "\(truncated(row.label, width: 36))  \(words(row.difference))", x: 16, y: y + 17,
        style: row.label == record.subject ? "strong" : nil)
      if let low = row.difference.low, let high = row.difference.high {
        svg.line(scale.place(low), y + 31, scale.place(high), y + 31, style: "line c\(colour)")
      }
      svg.circle(
        x: scale.place(row.difference.mean ?? 0), y: y + 31, radius: 5, style: "f\(colour)")
    }
    return svg.markup
  }

  private func words(_ sample: SampleRecord) -> String {
    guard let mean = sample.mean else { return "–" }
    var text = Self.signed(mean, Format.loss(abs(mean)))
    if let low = sample.low, let high = sample.high {
      text += " (\(Self.signed(low, Format.loss(abs(low)))) to "
      text += "\(Self.signed(high, Format.loss(abs(high)))))"
    }
    return text
  }

  private static func signed(_ value: Double, _ text: String) -> String {
    (value < 0 ? "−" : "") + text
  }

  /// What the rows of both tables are.
  private var rowsOf: String {
    let seeds = record.summaries.map(\.seeds).max() ?? 1
    return seeds > 1 ? "means over \(seeds) seeds, ± half a 95 % interval" : "one seed"
  }

  private var losses: PageTable {
    var table = PageTable(
      "Losses: \(rowsOf)",
      [
        .init("method", isNumber: false),
        .init(record.counted == .final ? "held-out loss" : "best held-out loss"),
        .init("difference"), .init("loss at equal time"), .init("time to reference’s loss"),
      ])
    for summary in record.summaries {
      let loss = record.counted == .final ? summary.finalLoss : summary.bestLoss
      table.add(
        [
          summary.label, Self.loss(loss),
          summary.label == record.reference ? "reference" : words(summary.difference),
          Self.loss(summary.lossAtEqualTime), Self.time(summary),
        ], isChosen: summary.label == record.subject)
    }
    return table
  }

  private var costs: PageTable {
    var table = PageTable(
      "What they took: \(rowsOf)",
      [
        .init("method", isNumber: false), .init("trained"), .init("tokens/s"), .init("planned"),
        .init("real peak"), .init("delta"), .init("analysis"), .init("training time"),
      ])
    for summary in record.summaries {
      table.add(
        [
          summary.label, Format.count(summary.trainableParameters),
          Format.count(summary.tokensPerSecond), Format.bytes(summary.plannedBytes),
          Format.bytes(summary.peakResidentBytes), summary.deltaBytes.map(Format.bytes) ?? "–",
          summary.analysisSeconds > 0 ? Format.duration(summary.analysisSeconds) : "–",
          Format.duration(summary.trainingSeconds),
        ], isChosen: summary.label == record.subject)
    }
    return table
  }

  private var tableNote: String {
    "Losses are in nats, differences paired by seed. Loss at equal time is the loss when "
      + "\(record.reference) had finished."
  }

  private static func loss(_ sample: SampleRecord) -> String {
    guard let mean = sample.mean else { return "–" }
    guard let low = sample.low, let high = sample.high else { return Format.loss(mean) }
    return "\(Format.loss(mean)) ± \(Format.loss((high - low) / 2))"
  }

  private static func time(_ summary: SummaryRecord) -> String {
    let reached = summary.timeToReferenceLoss
    guard reached.of > 0 else { return "–" }
    guard let seconds = reached.mean else { return "never" }
    var text = Format.duration(seconds)
    if let ratio = summary.timeRatio.mean { text += " (\(formatted(ratio, decimals: 2))×)" }
    return reached.seeds < reached.of ? "\(text), \(reached.seeds) of \(reached.of)" : text
  }
}
