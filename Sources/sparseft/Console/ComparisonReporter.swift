import Records
import Reports
import Runs
import Storage

/// Shows a comparison's progress: as lines, a table and a verdict for people, or as JSON lines on
/// standard output for programs.
struct ComparisonReporter {
  let json: Bool
  /// The JSON that `--json` prints for a row.
  var row: (ComparisonRow) -> JSONValue = { $0.json }

  func handle(_ event: ComparisonEvent) {
    switch event {
    case .row(let row, let progress):
      if json { Output.print(self.row(row)) }
      note(row, progress)
    case .leftOut(let method): Output.note("\(method.label) is left out: \(method.reason)")
    case .finished(let report):
      if json {
        for closing in report.closingLines { Output.print(closing) }
      } else {
        Output.print("\n\(report.table.text)\n\n\(report.verdict.text)")
      }
    }
  }

  /// "[2/7] lora r8, seed 0: held-out loss 3.3784 after 40 s; about 3 min 20 s left".
  private func note(_ row: ComparisonRow, _ progress: ComparisonEvent.Progress) {
    var text = "[\(progress.done)/\(progress.total)] \(row.label), seed \(row.seed): "
    if let loss = row.finalLoss { text += "held-out loss \(Format.loss(loss)) " }
    text += "after \(Format.duration(progress.seconds))"
    if let left = progress.secondsLeft { text += "; about \(Format.duration(left)) left" }
    Output.note(text)
  }
}
