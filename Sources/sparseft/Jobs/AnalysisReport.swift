import Contributions
import Models
import Reports
import Tensors

extension AnalysisResult {
  /// The choice in three lines: what trains, what decided, the rate and the price.
  var explanation: [String] {
    guard let chosen else { return [] }
    let cost = chosen.candidate.cost
    return [
      "tensors \"auto\": \(chosen.candidate.label), \(chosen.candidate.scheme.count) tensors, "
        + "\(Format.percent(cost.stepTime)) of full fine-tuning's arithmetic, "
        + "\(Format.bytes(cost.bytes))", decisionLine(chosen), rateLine(chosen),
    ]
  }

  private func decisionLine(_ chosen: CandidateResult) -> String {
    guard let last = chosen.rounds.last else {
      return
        "the run or its text is too short for probes at analysis.share, so the simplest choice "
        + "was taken"
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

extension AnalysisResult {
  /// Gains by block and tensor, the chosen ones marked.
  func map(_ configuration: ModelConfiguration) -> GainMap {
    let scheme = chosen?.candidate.scheme ?? [:]
    // What was only inferred from other blocks is left out.
    let measured = table.contributions.filter(\.isMeasured)
    let scores = Dictionary(
      measured.map { ($0.path, table.score($0)) }, uniquingKeysWith: { first, _ in first })
    func cell(_ path: String) -> GainMap.Cell {
      GainMap.Cell(gain: scores[path], share: scheme[path] ?? 0)
    }
    let kinds = LinearKind.allCases
    var rows = (0..<configuration.layers).reversed().map { layer in
      (label: "block \(layer)", cells: kinds.map { cell($0.path(layer: layer)) })
    }
    if scores[SchemeSpace.head] != nil || scheme[SchemeSpace.head] != nil {
      rows.insert((label: "head", cells: [cell(SchemeSpace.head)]), at: 0)
    }
    return GainMap(columns: kinds.map(\.rawValue), rows: rows)
  }

  /// Candidates with what they cost and how far they came.
  var candidateTable: Table {
    var table = Table([
      .init("candidate"), .init("tensors", .right), .init("step time", .right),
      .init("memory", .right), .init("rate", .right), .init("first probe", .right),
      .init("longer", .right), .init(""),
    ])
    for result in candidates {
      let losses = result.rounds.map { Format.loss($0.loss) }
      table.add([
        result.candidate.label, "\(result.candidate.scheme.count)",
        Format.percent(result.candidate.cost.stepTime), Format.bytes(result.candidate.cost.bytes),
        Format.rate(result.learningRate), losses.first ?? "–",
        losses.count > 1 ? losses[1] : "–", result.isChosen ? "chosen" : "",
      ])
    }
    return table
  }
}
