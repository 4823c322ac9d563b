import Records
import Reports
import Tensors

/// Which tensors are worth updating: gains by block and tensor, what was chosen, and where the
/// backward pass ends.
struct ContributionFigure {
  let analysis: AnalysisRecord

  /// Nil where the analysis says nothing of tensors.
  var section: Section? {
    let map = ContributionMap(analysis)
    guard !map.rows.isEmpty || !analysis.candidates.isEmpty else { return nil }
    var body = Markup.empty
    let candidates = CandidateFigure(analysis)
    if !map.rows.isEmpty {
      body += .element(
        "div", ["class": "pair"],
        Section.figure("Contribution map", map.svg + Section.note(map.note))
          + candidates.chartFigure)
      if map.isMeasured { body += tensorTable }
    } else {
      body += candidates.chartFigure
    }
    body += candidates.markup
    return Section(
      id: "contributions", title: "What is worth training",
      intro: "What short runs on this model and text found before training.", body: body)
  }

  private var tensorTable: Markup {
    var table = PageTable(
      "Gains of single tensors on top of a trained last block, in nats",
      [
        .init("tensor", isNumber: false), .init("gain"), .init("alone"),
        .init("operations per token"), .init("memory"), .init("rows trained"),
      ])
    let measured = analysis.tensors.filter(\.isMeasured)
    for tensor in measured.sorted(by: { ($0.score ?? 0) > ($1.score ?? 0) }).prefix(60) {
      let share = analysis.scheme[tensor.name] ?? 0
      table.add(
        [
          tensor.name.cut(to: 80), tensor.gain.map(Format.loss) ?? "–",
          tensor.gainAlone.map(Format.loss) ?? "–",
          Format.count(tensor.flops), Format.bytes(tensor.bytes),
          share > 0 ? Format.percent(min(1, share)) : "–",
        ], isChosen: share > 0)
    }
    return .element(
      "details", [:],
      .element("summary", [:], Markup(text: "The gains as a table")) + table.markup)
  }
}
