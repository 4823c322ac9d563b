import Records
import Reports
import Tensors

/// How far made-up secrets are exposed in shadow runs.
struct ExposureFigure {
  let record: ExposureRecord

  var section: Section? {
    guard !record.rows.isEmpty else { return nil }
    var table = PageTable(
      "Secrets among \(record.candidates) candidates",
      [.init("shadow run"), .init("repeats"), .init("rank"), .init("exposure in bits")])
    for row in record.rows.prefix(200) {
      table.add([
        "\(row.shadow)", "\(row.repeats)", "\(row.rank)", formatted(row.bits, decimals: 1),
      ])
    }
    return Section(
      id: "exposure", title: "Exposure",
      intro: "Numbers in a made-up sentence, trained on in runs like this delta’s.",
      body: table.markup)
  }
}
