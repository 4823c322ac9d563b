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

/// How well windows are told apart, as intervals beside chance.
struct MembershipFigure {
  let record: MembershipRecord

  private static let (left, right, top, row) = (190.0, 506.0, 10.0, 30.0)

  var section: Section? {
    guard !record.measures.isEmpty else { return nil }
    var table = PageTable(
      "\(record.members) trained and \(record.nonMembers) held-out windows",
      [
        .init("measure", isNumber: false), .init("AUC"), .init("95 % interval"),
        .init("true positives at 1 % false"),
      ])
    for measure in record.measures {
      table.add([
        measure.name.cut(to: 80) + (measure.isControl ? " – control" : ""),
        formatted(measure.area, decimals: 3),
        "\(formatted(measure.low, decimals: 3)) to \(formatted(measure.high, decimals: 3))",
        measure.truePositiveRate.map { Format.percent($0) } ?? "too few windows",
      ])
    }
    return Section(
      id: "membership", title: "Membership",
      intro: "The probability that a trained window scores above a held-out one; 0.5 is chance.",
      body: Section.figure("Areas under the ROC curve", chart, style: "wide") + table.markup)
  }

  private var chart: Markup {
    let bottom = Self.top + Self.row * Double(record.measures.count)
    var svg = SVG(
      id: "membership-areas", width: 520, height: bottom + 28,
      title: "Areas under the ROC curve",
      description: record.measures.map {
        "\($0.name.cut(to: 80)): \(formatted($0.area, decimals: 3))"
      }.joined(separator: ", "))
    func x(_ area: Double) -> Double {
      Self.left + max(0, min(1, area)) * (Self.right - Self.left)
    }
    for tick in [0.0, 0.25, 0.5, 0.75, 1] {
      svg.line(x(tick), Self.top, x(tick), bottom, style: tick == 0.5 ? "axis" : "grid")
      svg.text(
        formatted(tick, decimals: 2), x: x(tick), y: bottom + 18, anchor: .middle, style: "tick")
    }
    for (index, measure) in record.measures.enumerated() {
      let y = Self.top + Self.row * (Double(index) + 0.5)
      let colour = measure.isControl ? 7 : 0
      svg.text(measure.name.cut(to: 30), x: 4, y: y + 4)
      svg.line(x(measure.low), y, x(measure.high), y, style: "line c\(colour)")
      svg.circle(x: x(measure.area), y: y, radius: 4.5, style: "f\(colour)")
    }
    return svg.markup
  }
}

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
