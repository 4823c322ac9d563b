import Contributions
import Models
import Reports
import Tensors

extension AnalysisResult {
  /// Map of gains by block and tensor, with the chosen tensors marked.
  func map(_ configuration: ModelConfiguration) -> GainMap {
    let scheme = chosen?.candidate.scheme ?? [:]
    // Gains inferred from other blocks are left out.
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

  /// Table of the candidates with their cost and losses.
  var candidateTable: Table {
    var table = Table([
      .init("candidate"), .init("tensors", .right), .init("step flops", .right),
      .init("memory", .right), .init("rate", .right), .init("first probe", .right),
      .init("longer", .right), .init(""),
    ])
    for result in candidates {
      let losses = result.rounds.map { Format.loss($0.loss) }
      table.add([
        result.candidate.label, "\(result.candidate.scheme.count)",
        Format.percent(result.candidate.cost.flopsShare), Format.bytes(result.candidate.cost.bytes),
        Format.rate(result.learningRate), losses.first ?? "–",
        losses.count > 1 ? losses[1] : "–", result.isChosen ? "chosen" : "",
      ])
    }
    return table
  }
}
