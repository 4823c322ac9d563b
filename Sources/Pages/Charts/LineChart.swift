import Reports

/// Lines over steps or time, each with its label beside its end.
struct LineChart {
  var id: String
  /// A short name, and what there is to see in words.
  var title: String
  var description: String
  var xTitle: String
  var yTitle: String
  var xUnit = AxisUnit.count
  var yUnit = AxisUnit.plain
  var series: [Series]
  /// Whether y begins at zero.
  var includesZero = false
  var mayBeLogarithmic = false
  /// What it is all about, instead of the largest x: a run's steps.
  var xEnd: Double?

  static let (width, height) = (480.0, 290.0)
  /// Lines of more points are thinned to as many stretches of the plot.
  private static let stretches = 160
  /// Points of all lines together.
  private static let mostPoints = 9000

  var svg: Markup {
    let lines = series.map { $0.thinned(to: stretches) }
    let labelled = lines.filter { $0.isLabelled && $0.points.contains { $0.y.isFinite } }
    let right = min(150, 14 + 6.7 * Double(labelled.map { Self.short($0.label).count }.max() ?? 0))
    let yLabels = heights(lines, from: 1, to: 0).labels
    let left = 34 + 6.9 * Double(yLabels.map(\.count).max() ?? 3)
    let plot = Plot(
      left: left, right: Self.width - max(18, right), top: 12, bottom: Self.height - 46)
    let x = Scale(
      lines.flatMap { $0.points.map(\.x) } + (xEnd.map { [$0] } ?? []), from: plot.left,
      to: plot.right, includesZero: true)
    let y = heights(lines, from: plot.bottom, to: plot.top).scale
    var svg = SVG(
      id: id, width: Self.width, height: Self.height, title: title, description: description)
    drawAxes(&svg, plot, x, y)
    for line in lines { draw(line, &svg, plot, x, y) }
    drawLabels(labelled, &svg, plot, y)
    return svg.markup
  }

  /// The scale of y, and what stands beside it.
  private func heights(
    _ lines: [Series], from bottom: Double, to top: Double
  ) -> (scale: Scale, labels: [String]) {
    let scale = Scale(
      lines.flatMap { $0.points.map(\.y) }, from: bottom, to: top, includesZero: includesZero,
      mayBeLogarithmic: mayBeLogarithmic, padding: 0.05)
    let ticks = scale.ticks(5, yUnit)
    return (scale, ticks.map { yUnit.label($0, among: ticks) })
  }

  private var stretches: Int {
    max(12, min(Self.stretches, Self.mostPoints / 4 / max(1, series.count)))
  }

  private struct Plot {
    let left, right, top, bottom: Double
  }

  private func drawAxes(_ svg: inout SVG, _ plot: Plot, _ x: Scale, _ y: Scale) {
    let yTicks = y.ticks(5, yUnit)
    for tick in yTicks {
      let place = y.place(tick)
      svg.line(plot.left, place, plot.right, place, style: "grid")
      svg.text(
        yUnit.label(tick, among: yTicks), x: plot.left - 7, y: place + 4, anchor: .end,
        style: "tick")
    }
    let xTicks = x.ticks(4, xUnit)
    for tick in xTicks {
      let place = x.place(tick)
      svg.line(place, plot.bottom, place, plot.bottom + 4, style: "axis")
      svg.text(
        xUnit.label(tick, among: xTicks), x: place, y: plot.bottom + 18, anchor: .middle,
        style: "tick")
    }
    svg.line(plot.left, plot.bottom, plot.right, plot.bottom, style: "axis")
    svg.text(
      xTitle, x: (plot.left + plot.right) / 2, y: Self.height - 8, anchor: .middle,
      style: "axis-title")
    svg.upwards(
      yTitle + (y.isLogarithmic ? ", logarithmic" : ""), x: 12, y: (plot.top + plot.bottom) / 2,
      style: "axis-title")
  }

  private func draw(_ line: Series, _ svg: inout SVG, _ plot: Plot, _ x: Scale, _ y: Scale) {
    let style = "line c\(line.colour % Theme.colours)"
    let dash = line.colour >= Theme.colours ? " dash\(line.colour / Theme.colours % 3)" : ""
    var path = ""
    var isOpen = false
    for point in line.points {
      guard point.y.isFinite, point.x.isFinite else {
        isOpen = false
        continue
      }
      path += "\(isOpen ? "L" : "M")\(number(x.place(point.x))) \(number(y.place(point.y)))"
      isOpen = true
    }
    switch line.form {
    case .faint: svg.path(path, style: style + " faint")
    case .dashed: svg.path(path, style: style + " planned")
    case .line, .dots: svg.path(path, style: style + dash)
    }
    for point in dots(of: line) {
      svg.circle(
        x: x.place(point.x), y: y.place(point.y), radius: 2.4,
        style: "dot f\(line.colour % Theme.colours)", title: tip(line, point))
    }
    if let marked = line.marked, line.points.indices.contains(marked) {
      let point = line.points[marked]
      svg.circle(
        x: x.place(point.x), y: y.place(point.y), radius: 5.5,
        style: "ring c\(line.colour % Theme.colours)", title: "best: " + tip(line, point))
    }
    for point in line.points.filter({ !$0.y.isFinite }).prefix(40) where line.form != .faint {
      svg.text("×", x: x.place(point.x), y: plot.top + 9, anchor: .middle, style: "broken")
    }
  }

  /// Points that stand alone would be seen in no line.
  private func dots(of line: Series) -> [(x: Double, y: Double)] {
    let finite = line.points.filter(\.y.isFinite)
    if line.form == .dots { return finite.count <= (series.count > 8 ? 20 : 60) ? finite : [] }
    return line.form != .dashed && finite.count == 1 ? finite : []
  }

  private func tip(_ line: Series, _ point: (x: Double, y: Double)) -> String {
    let at = xUnit == .seconds ? Format.duration(point.x) : "step \(Format.count(point.x))"
    let value = yUnit == .plain ? Format.loss(point.y) : yUnit.label(point.y, among: [])
    return "\(line.label), \(at): \(value)"
  }

  private func drawLabels(_ lines: [Series], _ svg: inout SVG, _ plot: Plot, _ y: Scale) {
    let ends = lines.compactMap { line in
      line.points.last { $0.y.isFinite }.map { (line: line, y: y.place($0.y)) }
    }.sorted { $0.y < $1.y }
    let places = Self.spread(ends.map(\.y), from: plot.top + 4, to: plot.bottom - 2)
    for (end, place) in zip(ends, places) {
      svg.line(
        plot.right + 1, end.y, plot.right + 9, place,
        style: "leader c\(end.line.colour % Theme.colours)")
      svg.text(
        Self.short(end.line.label), x: plot.right + 12, y: place + 4,
        style: "label t\(end.line.colour % Theme.colours)")
    }
  }

  static func short(_ label: String) -> String { truncated(label, width: 20) }

  /// Places for labels a line apart, as near to where they belong as there is room.
  ///
  /// - Parameter wanted: in ascending order.
  static func spread(_ wanted: [Double], from low: Double, to high: Double) -> [Double] {
    guard !wanted.isEmpty else { return [] }
    let gap = min(15, (high - low) / Double(max(1, wanted.count - 1)))
    var places = wanted.map { max(low, min(high, $0)) }
    for index in places.indices.dropFirst() {
      places[index] = max(places[index], places[index - 1] + gap)
    }
    var limit = high
    for index in places.indices.reversed() {
      places[index] = min(places[index], limit)
      limit = places[index] - gap
    }
    return places
  }
}
