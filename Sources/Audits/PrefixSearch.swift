import Runs

/// Grows sequences token by token through frozen blocks: those of which the base's input to the
/// trained matrix lies in the span stay, and every token of the vocabulary is tried behind them
/// (Petrov et al. 2024, section 3.3).
struct PrefixSearch {
  let base: LoadedModel
  let span: InputSpan
  /// The longest sequences.
  let length: Int

  /// Sequences that are grown at a time.
  private static let mostSequences = 64
  /// A gap so wide that inputs need not be tried with another rounding.
  private static let plainRatio = 10.0

  /// - Parameter shouldStop: asked between lengths; what was found by then is returned.
  func run(unless shouldStop: () -> Bool = { false }) throws(AuditError) -> SpanFindings {
    var best = SpanFindings()
    for rounding in InputRounding.allCases {
      let findings = try run(rounding, shouldStop)
      if best.found.isEmpty || findings.ratio > best.ratio { best = findings }
      if !best.found.isEmpty, best.ratio >= Self.plainRatio { break }
    }
    return best
  }

  private func run(
    _ rounding: InputRounding, _ shouldStop: () -> Bool
  ) throws(AuditError) -> SpanFindings {
    let vocabulary = Int32(base.weights.configuration.vocabularySize)
    var findings = SpanFindings()
    var live: [[Int32]] = [[]]
    for count in 1...max(1, length) {
      if live.isEmpty || shouldStop() { break }
      let probe = try InputProbe(base, reader: span.difference.reader, tokens: count)
      var sequences: [[Int32]] = []
      var residuals: [Double] = []
      for start in live {
        // Attention over one token many times is attention over it once: what repeats nothing but its
        // first token reads as that token alone does.
        let tried = (0..<vocabulary).map { start + [$0] }.filter { sequence in
          sequence.count == 1 || sequence.contains { $0 != sequence[0] }
        }
        let inputs = rounding.inputs(probe.inputs(tried))
        let distances = try span.residuals(of: inputs, count: tried.count)
        // Only the nearest can count.
        for index in distances.indices.sorted(by: { distances[$0] < distances[$1] }).prefix(
          span.rank.rank + 1)
        {
          sequences.append(tried[index])
          residuals.append(distances[index])
        }
      }
      let gap = ResidualGap(residuals, most: span.rank.rank - findings.found.count, isRatio: true)
      live = gap.below.prefix(Self.mostSequences).map { sequences[$0] }
      findings.found += live
      findings.nearest += gap.order.prefix(live.count).map { sequences[$0] }
      if count == 1 { findings.ratio = gap.ratio }
      findings.threshold = max(findings.threshold, gap.threshold)
    }
    return findings
  }
}
