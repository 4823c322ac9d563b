import Datasets
import Records
import Reports

extension SideBySide {
  /// - Parameter outcomes: of each model, item by item.
  static func dataSet(
    _ data: PreparedData, _ outcomes: [[ItemOutcome]]
  ) -> EvaluationTable.DataSet {
    var set: EvaluationTable.DataSet
    switch data {
    case .text(let name, let corpus):
      set = .init(
        name: name, kind: "text", items: outcomes.first?.count ?? 0,
        tokens: corpus.train.scoredCount)
    case .task(let file, let sequences, _, _):
      set = .init(
        name: file.path, kind: file.kind.rawValue, items: file.items.count,
        tokens: sequences.reduce(0) { $0 + $1.ids.count - $1.scoredFrom })
    }
    let measures = outcomes.first?.first?.measures ?? []
    set.figures = outcomes.enumerated().map { index, own in
      measures.map { figure($0, own, minus: index == 0 ? nil : outcomes.first) }
    }
    return set
  }

  private static func figure(
    _ measure: ItemMeasure, _ own: [ItemOutcome], minus base: [ItemOutcome]?
  ) -> EvaluationTable.Figure {
    switch measure {
    case .hits(let name, let isHit):
      let hits = own.map(isHit)
      return .init(
        measure: name, estimate: ItemStatistics.share(hits),
        difference: base.map { ItemStatistics.difference(hits, minus: $0.map(isHit)) })
    case .losses(let name, let sum):
      let sums = own.map(sum)
      let (losses, tokens) = (sums.map(\.loss), sums.map(\.targets))
      return .init(
        measure: name, estimate: ItemStatistics.ratio(losses, over: tokens),
        difference: base.map { base in
          ItemStatistics.ratio(zip(losses, base).map { $0 - sum($1).loss }, over: tokens)
        })
    }
  }
}
