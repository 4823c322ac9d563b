import Records

/// One sentence on which method won, and the figures that decided it.
///
/// The recipe's method is compared with the reference; if it is the reference itself, the method
/// with the lowest loss among the others is compared.
public struct Verdict: Hashable, Sendable {
  public typealias Outcome = VerdictRecord.Outcome

  /// Difference in nats below which two runs with one seed count as equal.
  public static let oneSeedThreshold = 0.02

  public let outcome: Outcome
  /// The label of the judged method; nil if nothing can be compared.
  public let method: String?
  public let reference: String
  /// The method's loss minus the reference's, in nats, paired by seed.
  public let difference: SampleStatistics
  /// Which weights' loss was judged.
  public let counted: CountedLoss
  public let text: String

  init(_ report: ComparisonReport) {
    let summaries = report.summaries
    counted = report.counted
    reference = report.reference
    let others = summaries.filter { $0.label != report.reference && $0.difference.count > 0 }
    let judged =
      others.first { $0.label == report.subject }
      ?? others.min { $0.difference.mean ?? .infinity < $1.difference.mean ?? .infinity }
    guard let reference = summaries.first(where: { $0.label == report.reference }), let judged,
      report.subject == report.reference || judged.label == report.subject
    else {
      outcome = .undecided
      method = nil
      difference = SampleStatistics([])
      text = Self.nothingToCompare(report)
      return
    }
    outcome = Self.outcome(judged.difference)
    method = judged.label
    difference = judged.difference
    text = VerdictSentence(outcome, method: judged, reference: reference, field: summaries).text
  }

  /// Decides by the 95 % interval of the paired differences for several seeds, by a threshold for
  /// one.
  static func outcome(_ difference: SampleStatistics) -> Outcome {
    guard let mean = difference.mean, mean.isFinite else { return .undecided }
    let isNoise = difference.interval.map { $0.contains(0) } ?? (abs(mean) < oneSeedThreshold)
    return isNoise ? .noise : mean < 0 ? .win : .loss
  }

  private static func nothingToCompare(_ report: ComparisonReport) -> String {
    if let missing = report.leftOut.first(where: { $0.label == report.reference }) {
      return "No verdict: \(missing.label), which the others are held against, could not run."
    }
    if report.rows.contains(where: { $0.finalLoss == nil }) {
      return "No verdict: without held-out text (data.validation) there is no loss to compare."
    }
    return "No verdict: there are no two methods to compare."
  }

  /// The verdict as the last line of `compare --json`.
  public var record: VerdictRecord {
    VerdictRecord(
      text: text, outcome: outcome, method: method, reference: reference, counted: counted,
      difference: difference.record(spread: true))
  }
}
