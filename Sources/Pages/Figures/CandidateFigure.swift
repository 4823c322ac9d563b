import Records
import Reports

/// What was tried before training: candidates with the losses of their probes, and learning rates.
struct CandidateFigure {
  let analysis: AnalysisRecord

  init(_ analysis: AnalysisRecord) { self.analysis = analysis }

  /// The probes as a drawing; nothing where none was made.
  var chartFigure: Markup {
    analysis.candidates.contains { !$0.rounds.isEmpty }
      ? Section.figure("Candidates and their probes", chart, style: "wide") : .empty
  }

  var markup: Markup {
    guard !analysis.candidates.isEmpty else { return .empty }
    return table
      + (analysis.calibration.count > 1
        ? Section.figure("Learning rates", rates, style: "wide") : .empty)
  }

  private static let (left, right, top) = (14.0, 506.0, 8.0)
  private static let most = 40

  /// A row for each candidate, from its first probe's loss to its last one's.
  private var chart: Markup {
    let shown = analysis.candidates.filter { !$0.rounds.isEmpty }.prefix(Self.most)
    let losses = shown.flatMap { $0.rounds.compactMap(\.loss) }
    let scale = Scale(losses, from: Self.left, to: Self.right, padding: 0.04)
    let bottom = Self.top + 44 * Double(shown.count)
    var svg = SVG(
      id: "candidates", width: 520, height: bottom + 48, title: "Candidates and their probes",
      description: shown.map(words).joined(separator: ". "))
    let ticks = scale.ticks(5)
    for tick in ticks {
      svg.line(scale.place(tick), Self.top, scale.place(tick), bottom, style: "grid")
      svg.text(
        AxisUnit.plain.label(tick, among: ticks), x: scale.place(tick), y: bottom + 17,
        anchor: .middle, style: "tick")
    }
    svg.text(
      "held-out loss in nats", x: (Self.left + Self.right) / 2, y: bottom + 38, anchor: .middle,
      style: "axis-title")
    for (row, candidate) in shown.enumerated() {
      draw(candidate, &svg, scale, y: Self.top + 44 * Double(row))
    }
    return svg.markup
  }

  private func draw(
    _ candidate: AnalysisRecord.Candidate, _ svg: inout SVG, _ scale: Scale, y: Double
  ) {
    let (colour, middle) = (candidate.isChosen ? 0 : 7, y + 31)
    let label = truncated(candidate.label, width: candidate.isChosen ? 58 : 68)
    svg.text(
      label + (candidate.isChosen ? " (chosen)" : ""), x: Self.left, y: y + 17,
      style: candidate.isChosen ? "strong t0" : nil)
    let points = candidate.rounds.compactMap { round in
      round.loss.map { (steps: round.steps, x: scale.place($0), loss: $0) }
    }
    guard let first = points.first, let last = points.last else {
      svg.text("diverged", x: Self.left, y: middle + 4, style: "broken")
      return
    }
    svg.line(first.x, middle, last.x, middle, style: "line c\(colour)")
    for point in points {
      svg.circle(
        x: point.x, y: middle, radius: point.steps == last.steps ? 5 : 3.5, style: "f\(colour)",
        title: "after \(point.steps) steps: \(Format.loss(point.loss)) nats")
    }
  }

  private func words(_ candidate: AnalysisRecord.Candidate) -> String {
    let rounds = candidate.rounds.map { round in
      round.loss.map { "\(Format.loss($0)) after \(round.steps) steps" } ?? "diverged"
    }
    return "\(candidate.label.cut(to: 120))\(candidate.isChosen ? ", chosen" : ""): "
      + rounds.joined(separator: ", ")
  }

  private var table: Markup {
    var table = PageTable(
      "Candidates within the budget, with their probes’ held-out losses",
      [
        .init("candidate", isNumber: false), .init("arithmetic"), .init("memory"),
        .init("learning rate"), .init("first probe"), .init("last probe"),
      ])
    for candidate in analysis.candidates.prefix(Self.most) {
      let rounds = candidate.rounds
      func cell(_ round: AnalysisRecord.Round?) -> String {
        guard let round else { return "–" }
        return round.loss.map { "\(Format.loss($0)) (\(round.steps) steps)" } ?? "diverged"
      }
      table.add(
        [
          candidate.label.cut(to: 120) + (candidate.isChosen ? " – chosen" : ""),
          Format.percent(candidate.flopsShare), Format.bytes(candidate.plannedBytes),
          Format.rate(candidate.learningRate), cell(rounds.first),
          cell(rounds.count > 1 ? rounds.last : nil),
        ], isChosen: candidate.isChosen)
    }
    return table.markup
      + Section.note("Arithmetic is a step’s, as a share of full fine-tuning’s.")
  }

  private var rates: Markup {
    let points = analysis.calibration.sorted { $0.rate < $1.rate }
    let finite = points.compactMap(\.loss)
    let y = Scale(finite, from: 150, to: 14, padding: 0.12)
    let gap = 430 / Double(points.count)
    let best = points.filter { $0.loss != nil }.min { ($0.loss ?? 0) < ($1.loss ?? 0) }
    var svg = SVG(
      id: "rates", width: 520, height: 206, title: "Learning rates tried",
      description: points.map {
        "\(Format.rate($0.rate)): " + ($0.loss.map { Format.loss($0) } ?? "diverged")
      }.joined(separator: ", "))
    let ticks = y.ticks(3)
    for tick in ticks {
      svg.line(62, y.place(tick), 506, y.place(tick), style: "grid")
      svg.text(
        AxisUnit.plain.label(tick, among: ticks), x: 55, y: y.place(tick) + 4, anchor: .end,
        style: "tick")
    }
    for (index, point) in points.enumerated() {
      let x = 72 + gap * (Double(index) + 0.5)
      if points.count <= 6 || index % 2 == 0 {
        svg.text(Format.rate(point.rate), x: x, y: 174, anchor: .middle, style: "tick")
      }
      guard let loss = point.loss else {
        svg.text("×", x: x, y: 24, anchor: .middle, style: "broken")
        continue
      }
      svg.circle(
        x: x, y: y.place(loss), radius: point == best ? 6 : 4, style: point == best ? "f0" : "f7",
        title: "\(Format.rate(point.rate)): \(Format.loss(loss)) nats")
    }
    svg.upwards("held-out loss in nats", x: 12, y: 82, style: "axis-title")
    svg.text("learning rate", x: 284, y: 198, anchor: .middle, style: "axis-title")
    return svg.markup
  }
}
