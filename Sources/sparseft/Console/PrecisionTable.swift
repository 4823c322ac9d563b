import Reports
import Runs
import Tensors
import Training

/// What multiplying integers would cost the loss, by kind of matrix.
struct PrecisionTable {
  let run: PlannedRun
  let costs: [QuantisationCost]

  var text: String { "\(table.text)\n\n\(verdict)" }

  private var table: Table {
    var table = Table([
      .init("matrix"), .init("number", .right), .init("largest/median column", .right),
      .init("at most", .right), .init("cost of int8", .right), .init("kept in bf16", .right),
    ])
    let kept = run.settings.precision.keptInBF16
    let kinds = Dictionary(grouping: costs) { MatrixKinds.kind(of: $0.matrix) }
    for (kind, costs) in kinds.sorted(by: { $0.key < $1.key }) {
      let ratios = costs.map(\.outlierRatio)
      table.add([
        kind, "\(costs.count)",
        formatted(ratios.reduce(0, +) / Double(ratios.count), decimals: 1),
        formatted(ratios.max() ?? 0, decimals: 0),
        "\(formatted(1000 * costs.reduce(0) { $0 + $1.loss }, decimals: 3)) mnat",
        "\(costs.count { kept.contains($0.matrix) })",
      ])
    }
    return table
  }

  /// What was measured, and what came of it.
  private var verdict: String {
    let chosen = run.settings.precision.summary("products")
    guard let record = run.prepared.precision.record, let bf16 = record.bf16Loss,
      let int8 = record.int8Loss, let loss = record.chosenLoss
    else { return "\(chosen), which nothing was measured for" }
    func change(_ loss: Double) -> String {
      "\(Format.loss(loss)) (\(formatted(100 * (loss / bf16 - 1), decimals: 3)) %)"
    }
    return """
      loss on \(ProductSelection.batches) batches: bf16 \(Format.loss(bf16)), int8 \
      \(change(int8)), as chosen \(change(loss))
      \(chosen)
      """
  }
}
