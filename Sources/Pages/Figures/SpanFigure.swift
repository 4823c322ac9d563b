import Records
import Reports
import Tensors

/// What the span test saw of a delta's matrices, and what it found.
struct SpanFigure {
  let span: SpanRecord

  var section: Section? {
    var places = PageTable(
      "Differences of matrices that read the same input, from the lowest up",
      [
        .init("matrices", isNumber: false), .init("rows"), .init("input"), .init("rank"),
        .init("whole space"), .init("gap"), .init("applicable", isNumber: false),
      ])
    for place in span.places {
      places.add(
        [
          place.tensors.joined(separator: ", ").cut(to: 200), "\(place.rows)", "\(place.columns)",
          "\(place.rank)", "\(place.bound)",
          place.gap.map { formatted($0, decimals: 1) } ?? "∞", place.isApplicable ? "yes" : "no",
        ], isChosen: place.isApplicable)
    }
    var body = span.places.isEmpty ? Markup.empty : places.markup
    if let search = span.search { body += table(search) }
    return Section(
      id: "span", title: "Span of the inputs", intro: span.text.cut(to: 1000), body: body)
  }

  private func table(_ search: SpanRecord.Search) -> Markup {
    var table = PageTable(
      search.length == 1 ? "Tokens" : "Beginnings of up to \(search.length) tokens",
      [
        .init("", isNumber: false), .init("number"), .init("the text’s"), .init("precision"),
        .init("recall"), .init("the held-out text’s"),
      ])
    func percent(_ share: Double?) -> String { share.map { Format.percent($0) } ?? "–" }
    table.add([
      "in the span", "\(search.found)", "\(search.hits)", percent(search.precision),
      percent(search.recall), percent(search.controlPrecision),
    ])
    table.add([
      "nearest to it", "\(search.nearest)", "\(search.nearestHits)",
      percent(search.nearestPrecision), "–", percent(search.nearestControlPrecision),
    ])
    return table.markup
  }
}
