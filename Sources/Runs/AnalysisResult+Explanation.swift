import Contributions
import Reports
import Tensors

extension AnalysisResult {
  /// The choice in three lines: what trains, what decided, the rate and the price.
  public var explanation: [String] {
    guard let chosen else { return [] }
    let cost = chosen.candidate.cost
    let tensors =
      chosen.candidate.method == nil ? ", \(chosen.candidate.scheme.count) tensors" : ""
    return [
      "\"auto\": \(chosen.candidate.label)\(tensors), "
        + "\(Format.percent(cost.flopsShare)) of full fine-tuning's arithmetic, "
        + "\(Format.bytes(cost.bytes))", decisionLine(chosen), rateLine(chosen),
    ]
  }

  private func decisionLine(_ chosen: CandidateResult) -> String {
    guard let last = chosen.rounds.last else {
      return
        "the run or its text is too short for probes at analysis.share, so what mostly does best "
        + "on models of this size was taken"
    }
    let others = candidates.filter { !$0.isChosen && $0.rounds.count == chosen.rounds.count }
      .compactMap { result in result.rounds.last.map { (result.candidate.label, $0.loss) } }
      .sorted { $0.1 < $1.1 }
    let rivals = others.prefix(2).map { "\(formatted($0.1, decimals: 3)) for \($0.0)" }
    let against = rivals.isEmpty ? "" : " against \(rivals.joined(separator: ", "))"
    return "decided by training \(candidates.count) candidates for up to \(last.steps) steps: "
      + "held-out loss \(formatted(last.loss, decimals: 3))\(against)"
  }

  private func rateLine(_ chosen: CandidateResult) -> String {
    let rate = Format.rate(chosen.learningRate)
    let source =
      calibration.map { "from \($0.points.count) short runs" } ?? "from the recipe or the rule"
    return "learning rate \(rate) \(source); \(probes) probes took \(Format.duration(seconds)), "
      + "price \(Format.percent(priceShare)) of the run"
  }
}
