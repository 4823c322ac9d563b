import Records
import Reports
import Tensors

extension EvaluationTable {
  /// A row for each data set, measure and model.
  var table: Table {
    let compares = models.count > 1
    var table = Table(
      [
        .init("data"), .init("items", .right), .init("measure"), .init("model"),
        .init("value", .right), .init("95 % interval", .right),
      ] + (compares ? [.init("to \(models[0])", .right), .init("95 % interval", .right)] : []))
    for set in data {
      for index in set.figures.first?.indices ?? 0..<0 {
        for (model, figures) in zip(models, set.figures) {
          let figure = figures[index]
          let isFirst = model == models.first
          table.add(
            (isFirst && index == 0 ? [set.name, "\(set.items)"] : ["", ""])
              + [isFirst ? figure.measure.words : "", model]
              + figure.measure.cells(figure.estimate, isSigned: false)
              + (figure.difference.map { figure.measure.cells($0, isSigned: true) } ?? []))
        }
      }
    }
    return table
  }
}

extension EvaluationTable.Measure {
  fileprivate var words: String {
    switch self {
    case .accuracy: "accuracy"
    case .normalisedAccuracy: "accuracy by length"
    case .exactMatch: "exact match"
    case .loss: "loss"
    }
  }

  /// Value and interval: per cents, or nats.
  fileprivate func cells(_ estimate: EstimateRecord, isSigned: Bool) -> [String] {
    let isShare = self != .loss
    func text(_ value: Double) -> String {
      let number = formatted(isShare ? 100 * value : value, decimals: isShare ? 1 : 4)
      return (isSigned && value > 0 ? "+" : "") + number
    }
    let interval = estimate.interval.map { "\(text($0.lowerBound)) … \(text($0.upperBound))" }
    return [text(estimate.value) + (isShare ? " %" : ""), interval ?? "—"]
  }
}
