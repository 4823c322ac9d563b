import Records
import Reports
import Tensors

/// How many windows are recited.
struct ExtractionFigure {
  let record: ExtractionRecord

  var section: Section? {
    guard let first = record.rows.first else { return nil }
    var table = PageTable(
      "Windows whose next \(record.continuation) tokens come back",
      [
        .init("model and text", isNumber: false), .init("windows"), .init("greedily"),
      ] + first.sampled.map { .init("\(Format.count($0.samples)) samples") })
    for row in record.rows {
      table.add(
        [
          (row.hasDelta ? "with the delta" : "base") + ", "
            + (row.isTrained ? "trained text" : "held-out text"),
          "\(row.windows)", "\(row.greedy)",
        ] + row.sampled.map { "\($0.windows)" })
    }
    return Section(
      id: "extraction", title: "Extraction",
      intro: "After \(record.prompt) tokens of a window; by samples: with a probability of a half.",
      body: table.markup)
  }
}
