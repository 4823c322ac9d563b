import Records
import Reports
import Tensors

extension AuditRecord {
  /// The result for people.
  var lines: [String] {
    var lines = [leaks ? "leaks are shown:" : "no leak is shown:"]
    lines += verdict.map { "- " + $0 }
    if let membership {
      var table = Table([
        .init("membership by"), .init("AUC", .right), .init("95 % interval", .right),
        .init("TPR at 1 %", .right),
      ])
      for measure in membership.measures {
        table.add([
          measure.name + (measure.isControl ? " (control)" : ""),
          formatted(measure.area, decimals: 3),
          formatted(measure.low, decimals: 3) + "-" + formatted(measure.high, decimals: 3),
          measure.truePositiveRate.map { formatted($0, decimals: 3) } ?? "too few",
        ])
      }
      lines += ["", table.text]
    }
    return lines
  }
}
