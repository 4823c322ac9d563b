import Records
import Storage

/// All runs of a comparison with their summaries, table and verdict.
public struct ComparisonReport: Hashable, Sendable {
  /// The label of the recipe's own method.
  public let subject: String
  /// The label of the method that the others are compared with.
  public let reference: String
  /// Runs in the order they finished.
  public var rows: [ComparisonRow] = []
  /// Methods that could not run, and why.
  public var leftOut: [ComparisonRecord.LeftOut] = []

  public init(subject: String, reference: String) {
    self.subject = subject
    self.reference = reference
  }

  /// The weights that are judged: those at the end of each run; if early stopping ended any run,
  /// the best snapshots of all runs, since such a recipe is after the best snapshot.
  public var counted: CountedLoss {
    rows.contains { $0.reason == .earlyStopping } ? .best : .final
  }

  /// A summary of each method, in the order of the first runs.
  public var summaries: [MethodSummary] {
    var labels: [String] = []
    for row in rows where !labels.contains(row.label) { labels.append(row.label) }
    let references = rows.filter { $0.label == reference }
    return labels.map { label in
      MethodSummary(
        label: label, rows: rows.filter { $0.label == label }, reference: references, counted)
    }
  }

  /// The verdict on which method won.
  public var verdict: Verdict { Verdict(self) }

  /// The last lines of `compare --json`: a summary a method, then the verdict.
  public var closingLines: [JSONValue] { summaries.map(\.record.json) + [verdict.record.json] }

  /// The whole comparison as `compare.json` has it.
  ///
  /// - Parameter isComplete: false while runs are missing; there is no verdict then.
  public func record(isComplete: Bool) -> ComparisonRecord {
    var record = ComparisonRecord(
      isComplete: isComplete, subject: subject, reference: reference, counted: counted)
    record.rows = rows
    record.summaries = summaries.map(\.record)
    record.leftOut = leftOut
    record.verdict = isComplete ? verdict.record : nil
    return record
  }

  /// All methods as a table for people: means over the seeds, ± half a 95 % confidence interval.
  public var table: Table {
    var table = Table([
      .init("method"), .init("trained", .right),
      .init(counted == .final ? "held-out loss" : "best held-out loss", .right),
      .init("tokens/s", .right), .init("planned", .right), .init("real peak", .right),
      .init("delta", .right), .init("analysis", .right), .init("training time", .right),
      .init("loss at equal time", .right), .init("time to \(reference)'s loss", .right),
    ])
    for summary in summaries { table.add(cells(summary)) }
    return table
  }

  private func cells(_ summary: MethodSummary) -> [String] {
    let analysis = summary.mean(\.analysisSeconds)
    return [
      summary.label, Format.count(summary.roundedMean(\.trainableParameters)),
      Self.loss(summary.loss), Format.count(summary.mean(\.tokensPerSecond)),
      Format.bytes(summary.roundedMean(\.plannedBytes)),
      Format.bytes(summary.roundedMean(\.peakResidentBytes)),
      summary.deltaBytes.map(Format.bytes) ?? "–",
      analysis > 0 ? Format.duration(analysis) : "–",
      Format.duration(summary.mean(\.trainingSeconds)), Self.loss(summary.lossAtEqualTime),
      Self.time(summary),
    ]
  }

  private static func loss(_ sample: SampleStatistics) -> String {
    guard let mean = sample.mean else { return "–" }
    let spread = sample.halfWidth.map { " ± \(Format.loss($0))" } ?? ""
    return Format.loss(mean) + spread
  }

  /// Time to the reference's loss: "14 s (0.41x)", "14 s (0.41x), 2 of 3", "never".
  private static func time(_ summary: MethodSummary) -> String {
    guard summary.comparedSeeds > 0 else { return "–" }
    guard let seconds = summary.secondsToReferenceLoss.mean else { return "never" }
    var text = Format.duration(seconds)
    if let ratio = summary.timeRatio.mean { text += " (\(Format.ratio(ratio)))" }
    let reached = summary.secondsToReferenceLoss.count
    if reached < summary.comparedSeeds { text += ", \(reached) of \(summary.comparedSeeds)" }
    return text
  }
}
