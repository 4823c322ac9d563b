import Records
import Tensors

/// Writes a verdict as a sentence.
struct VerdictSentence {
  private let outcome: Verdict.Outcome
  private let method: MethodSummary
  private let reference: MethodSummary
  private let field: [MethodSummary]

  /// - Parameter field: all methods of the comparison.
  init(
    _ outcome: Verdict.Outcome, method: MethodSummary, reference: MethodSummary,
    field: [MethodSummary]
  ) {
    self.outcome = outcome
    self.method = method
    self.reference = reference
    self.field = field
  }

  /// The sentence, for example "sparse auto wins here: 0.1200 nats lower than lora r8 (…), at 1.40x
  /// the tokens/s and 0.70x the memory of lora r8; it reaches lora r8's loss in 0.55x the time."
  var text: String {
    let gap = "\(Format.loss(abs(method.difference.mean ?? 0))) nats"
    let champion = champion
    let asides = (champion ?? "") + (regression ?? "")
    switch outcome {
    case .win:
      let against = champion == nil ? "" : " against \(reference.label)"
      return "\(method.label) wins here\(against): \(gap) lower than \(reference.label) "
        + "(\(evidence)), at \(costs); it \(time)\(asides)."
    case .loss:
      let against = champion == nil ? "" : " against \(method.label)"
      return "\(referenceName) wins here\(against): \(reference.label) is \(gap) lower than "
        + "\(method.label) (\(evidence)); \(method.label) runs at \(costs) and "
        + "\(time)\(asides)."
    case .noise, .undecided:
      return "No winner here: \(method.label) and \(reference.label) are \(gap) apart, which is "
        + "noise (\(evidence)); \(method.label) runs at \(costs) and \(time)\(asides)."
    }
  }

  /// The reference's label, or "LoRA" if it is the only LoRA method of the two.
  private var referenceName: String {
    reference.method == "lora" && method.method != "lora" ? "LoRA" : reference.label
  }

  private var evidence: String {
    guard let interval = method.difference.interval else {
      return "one seed: differences under about 0.02 nats mean nothing"
    }
    // Interval of the gap as printed: how much lower the winner is; in noise, how much higher the
    // method is.
    let isWin = outcome == .win
    let low = isWin ? -interval.upperBound : interval.lowerBound
    let high = isWin ? -interval.lowerBound : interval.upperBound
    return "95 % interval \(signed(low)) to \(signed(high)) over \(method.difference.count) seeds"
  }

  private var costs: String {
    let speed = method.mean(\.tokensPerSecond) / max(reference.mean(\.tokensPerSecond), 1e-9)
    let peak: (ComparisonRow) -> Double = { Double($0.peakResidentBytes) }
    let memory = method.mean(peak) / max(reference.mean(peak), 1)
    return "\(Format.ratio(speed)) the tokens/s and \(Format.ratio(memory)) the memory of "
      + reference.label
  }

  private var time: String {
    let (reached, all) = (method.secondsToReferenceLoss.count, method.comparedSeeds)
    let goal = "reaches \(reference.label)'s loss"
    guard reached > 0 else { return "never \(goal)" }
    let seeds = reached < all ? " in \(reached) of \(all) seeds" : ""
    guard let ratio = method.timeRatio.mean else { return goal + seeds }
    var text = "\(goal)\(seeds) in \(Format.ratio(ratio)) the time"
    if let interval = method.timeRatio.interval, interval.contains(1) {
      text +=
        ", which is not certain (95 % interval \(signed(interval.lowerBound, decimals: 2)) to "
      text += "\(signed(interval.upperBound, decimals: 2)))"
    }
    return text
  }

  /// A third method that is better than both by more than noise; nil if there is none.
  private var champion: String? {
    let pair = [method, reference]
    let better = outcome == .win ? method : outcome == .loss ? reference : lower(pair)
    let others = field.filter { other in pair.allSatisfy { $0.label != other.label } }
    guard let best = lower(others), let better else { return nil }
    let difference = SampleStatistics(best.losses, minus: better.losses)
    guard let mean = difference.mean, Verdict.outcome(difference) == .win else { return nil }
    return "; the lowest loss is \(best.label)'s, \(Format.loss(-mean)) nats below \(better.label)"
  }

  /// A note if training did not improve the method's loss; nil if it did.
  private var regression: String? {
    guard let base = SampleStatistics(method.rows.compactMap(\.initialLoss)).mean,
      let loss = method.loss.mean, loss >= base
    else { return nil }
    return "; \(method.label) ends no better than the base, whose loss is \(Format.loss(base))"
  }

  private func lower(_ summaries: [MethodSummary]) -> MethodSummary? {
    summaries.min { $0.loss.mean ?? .infinity < $1.loss.mean ?? .infinity }
  }

  private func signed(_ value: Double, decimals: Int = 4) -> String {
    (value < 0 ? "−" : "") + formatted(abs(value), decimals: decimals)
  }
}

extension Format {
  /// A ratio with two decimals: "0.41x".
  static func ratio(_ value: Double) -> String { formatted(value, decimals: 2) + "x" }
}
