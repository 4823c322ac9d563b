import Records

#if canImport(Glibc)
  import Glibc
#endif

/// The scores of a text's windows by the models that are compared.
struct ScoredText {
  /// By the base with the delta.
  var tuned: [TokenScores]
  var base: [TokenScores]
  /// The mean loss over the shadow deltas that were not trained on the window; nil without one.
  var shadowLosses: [Double?]
}

/// Tells windows that were trained on from others by their scores.
struct Membership {
  let members: ScoredText
  let nonMembers: ScoredText
  /// Seed of the intervals.
  let seed: UInt64

  /// Non-members from which on a rate at 1 % of false positives says something.
  static let leastForRate = 1000
  /// The share of the least likely tokens that min-k %++ looks at.
  static let leastShare = 0.2

  /// The control, and the measures that subtract what the base says.
  static let baseLoss = "loss of the base"
  static let relativeToBase = ["loss - base's", "differential score"]

  var record: MembershipRecord {
    var measures = [
      measure("loss") { -$0.tuned[$1].loss },
      measure("min-20 %++") { $0.tuned[$1].leastStandardised(share: Self.leastShare) },
      measure(Self.relativeToBase[0]) { $0.base[$1].loss - $0.tuned[$1].loss },
      measure(Self.relativeToBase[1]) { Self.differential($0.tuned[$1], $0.base[$1]) },
      measure(Self.baseLoss, isControl: true) { -$0.base[$1].loss },
      measure("min-20 %++ of the base", isControl: true) {
        $0.base[$1].leastStandardised(share: Self.leastShare)
      },
    ]
    let hasShadows = { (text: ScoredText) in text.shadowLosses.contains { $0 != nil } }
    if hasShadows(members), hasShadows(nonMembers) {
      measures.insert(
        measure("loss - shadows'") { text, index in
          text.shadowLosses[index].map { $0 - text.tuned[index].loss }
        }, at: 4)
    }
    return MembershipRecord(
      members: members.tuned.count, nonMembers: nonMembers.tuned.count, measures: measures)
  }

  /// - Parameter score: of a window, by its index; nil leaves it out.
  private func measure(
    _ name: String, isControl: Bool = false, _ score: (ScoredText, Int) -> Double?
  ) -> MembershipRecord.Measure {
    func all(_ text: ScoredText) -> [Double] { text.tuned.indices.compactMap { score(text, $0) } }
    let curve = RankCurve(members: all(members), nonMembers: all(nonMembers))
    let interval = curve.interval(seed: seed)
    let rate =
      curve.nonMembers.count >= Self.leastForRate
      ? curve.truePositiveRate(falsePositives: 0.01) : nil
    return MembershipRecord.Measure(
      name: name, members: curve.members.count, nonMembers: curve.nonMembers.count,
      area: curve.area, low: interval.low, high: interval.high,
      truePositiveRate: rate, isControl: isControl)
  }

  /// By how much training has raised the probabilities of the window's tokens, on average: the
  /// differential score of its text (Zanella-Béguelin et al. 2020, definition 3) per token.
  static func differential(_ tuned: TokenScores, _ base: TokenScores) -> Double {
    var sum = 0.0
    for (after, before) in zip(tuned.logProbabilities, base.logProbabilities) {
      sum += exp(Double(after)) - exp(Double(before))
    }
    return sum / Double(max(1, tuned.logProbabilities.count))
  }
}
