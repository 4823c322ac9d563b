import Records
import Reports

/// The planned peak by kind, and the arena over the calls of a step.
struct MemoryPlanFigure {
  let forecast: MemoryForecast?
  let schedule: MemorySchedule?

  /// Nil where nothing was planned.
  var section: Section? {
    var body = Markup.empty
    if let forecast, forecast.total > 0 { body += split(forecast) }
    if let schedule, schedule.positions > 0, schedule.arenaBytes > 0 {
      body += Section.figure(
        "The arena over a step", ArenaMap(schedule).svg, style: "wide")
      body += Section.legend(
        ArenaMap.kinds.filter { kind in
          schedule.buffers.contains { $0.kind == kind.kind }
        }.map { ($0.style, $0.label) })
      body += Section.note(note(schedule))
    }
    guard body != .empty else { return nil }
    return Section(
      id: "plan", title: "Memory plan",
      intro: "All of a step’s memory has its place before the first step.", body: body)
  }

  private func parts(_ forecast: MemoryForecast) -> [(label: String, style: String, bytes: Int)] {
    [
      ("weights", "f7", forecast.weights), ("activations", "f0", forecast.activations),
      ("gradients", "f1", forecast.gradients), ("optimizer state", "f3", forecast.optimizer),
      ("workspace", "f4", forecast.workspace),
    ]
  }

  private func split(_ forecast: MemoryForecast) -> Markup {
    let parts = parts(forecast)
    let total = Double(forecast.total)
    var svg = SVG(
      id: "peak", width: 520, height: 46, title: "Planned peak by kind",
      description: parts.map { "\($0.label) \(Format.bytes($0.bytes))" }.joined(separator: ", "))
    var x = 0.0
    for part in parts where part.bytes > 0 {
      let width = 520 * Double(part.bytes) / total
      svg.rectangle(
        x: x, y: 4, width: width, height: 34, style: part.style + " edge",
        title: "\(part.label): \(Format.bytes(part.bytes))")
      x += width
    }
    let legend = parts.filter { $0.bytes > 0 }.map { part in
      (
        style: part.style,
        label: "\(part.label) \(Format.bytes(part.bytes)) "
          + "(\(Format.percent(Double(part.bytes) / total)))"
      )
    }
    return Section.figure(
      "Planned peak: \(Format.bytes(forecast.total))", svg.markup, style: "wide")
      + Section.legend(legend)
      + Section.note(
        "Weights are the mapped checkpoint and the copies of what is trained. Workspace has "
          + "\(Format.bytes(forecast.runtime)) of the program itself in it"
          + (forecast.measuring > 0
            ? ", and \(Format.bytes(forecast.measuring)) that only measuring before the run took."
            : "."))
  }

  private func note(_ schedule: MemorySchedule) -> String {
    var text =
      "From left to right the \(schedule.positions) kernel calls of a step, from bottom to top the "
      + "\(Format.bytes(schedule.arenaBytes)) of the arena: a box is a buffer from its first use to its "
      + "last. Most bytes, \(Format.bytes(schedule.peak.bytes)), are in use at call "
      + "\(schedule.peak.position) (\(schedule.peak.kernel.cut(to: 60)))."
    if schedule.leftOut > 0 { text += " The \(schedule.leftOut) smallest buffers are not drawn." }
    return text
  }
}

/// Buffers as boxes: calls of a step by bytes of the arena.
struct ArenaMap {
  let schedule: MemorySchedule

  init(_ schedule: MemorySchedule) { self.schedule = schedule }

  static let kinds: [(kind: String, label: String, style: String)] = [
    ("parameter", "trained parameters", "f7"), ("activation", "activations", "f0"),
    ("gradient", "gradients", "f1"), ("optimizer", "optimizer state", "f3"),
    ("input", "inputs", "f2"), ("constant", "tables", "f5"), ("workspace", "workspace", "f4"),
    ("weight", "weights", "f6"),
  ]
  private static let (left, right, top, bottom) = (62.0, 516.0, 26.0, 286.0)

  var svg: Markup {
    let end = Double(max(1, schedule.positions))
    let x = Scale([0, end], from: Self.left, to: Self.right, includesZero: true)
    let most = max(schedule.arenaBytes, schedule.live.max() ?? 0)
    let y = Scale([0, Double(most)], from: Self.bottom, to: Self.top, includesZero: true)
    var svg = SVG(
      id: "arena", width: 520, height: 334, title: "The arena over a step", description: description
    )
    let ticks = y.ticks(5, .bytes)
    for tick in ticks {
      svg.line(Self.left, y.place(tick), Self.right, y.place(tick), style: "grid")
      svg.text(
        AxisUnit.bytes.label(tick, among: ticks), x: Self.left - 6, y: y.place(tick) + 4,
        anchor: .end, style: "tick")
    }
    for block in schedule.buffers { draw(block, &svg, x, y) }
    drawLive(&svg, x, y)
    drawPhases(&svg, x)
    drawPeak(&svg, x)
    let xTicks = x.ticks(5, .count)
    for tick in xTicks {
      svg.line(x.place(tick), Self.bottom, x.place(tick), Self.bottom + 4, style: "axis")
      svg.text(
        AxisUnit.count.label(tick, among: xTicks), x: x.place(tick), y: Self.bottom + 18,
        anchor: .middle, style: "tick")
    }
    svg.line(Self.left, Self.bottom, Self.right, Self.bottom, style: "axis")
    svg.text(
      "kernel call of a step", x: (Self.left + Self.right) / 2, y: 328, anchor: .middle,
      style: "axis-title")
    svg.upwards("place in the arena", x: 11, y: 156, style: "axis-title")
    return svg.markup
  }

  private func draw(_ block: MemorySchedule.Block, _ svg: inout SVG, _ x: Scale, _ y: Scale) {
    let kind = Self.kinds.first { $0.kind == block.kind } ?? Self.kinds[7]
    let (start, end) = (x.place(Double(block.first)), x.place(Double(block.last) + 1))
    let (low, high) = (
      y.place(Double(block.offset)), y.place(Double(block.offset) + Double(block.byteCount))
    )
    // What is too small to have an edge has none.
    let edge = end - start > 2 && low - high > 2 ? " edge" : ""
    svg.rectangle(
      x: start, y: high, width: max(0.4, end - start), height: max(0.4, low - high),
      style: kind.style + edge,
      title:
        "\(block.name.cut(to: 60)), \(kind.label): \(Format.bytes(block.byteCount)), calls \(block.first) "
        + "to \(block.last)")
  }

  /// How many bytes are in use.
  private func drawLive(_ svg: inout SVG, _ x: Scale, _ y: Scale) {
    let count = schedule.live.count
    guard count > 0 else { return }
    var path = ""
    for (index, bytes) in schedule.live.enumerated() {
      let place = y.place(Double(bytes))
      let start = Double(index) * Double(schedule.positions) / Double(count)
      let end = Double(index + 1) * Double(schedule.positions) / Double(count)
      path += "\(index == 0 ? "M" : "L")\(number(x.place(start))) \(number(place))"
      path += "H\(number(x.place(end)))"
    }
    svg.path(path, style: "line in-use")
  }

  private func drawPhases(_ svg: inout SVG, _ x: Scale) {
    var lastLabel = -Double.infinity
    for (index, phase) in schedule.phases.enumerated() {
      let start = x.place(Double(phase.first))
      if index > 0 { svg.line(start, Self.top - 18, start, Self.bottom, style: "axis") }
      guard start > lastLabel + 62 else { continue }
      lastLabel = start
      let room = start + 62 > Self.right
      svg.text(
        phase.name, x: room ? Self.right : start + 4, y: Self.top - 8, anchor: room ? .end : .start,
        style: "tick")
    }
  }

  private func drawPeak(_ svg: inout SVG, _ x: Scale) {
    let at = x.place(Double(schedule.peak.position) + 0.5)
    svg.line(at, Self.top - 2, at, Self.bottom, style: "peak")
    let isLate = at > (Self.left + Self.right) / 2
    svg.rectangle(
      x: isLate ? at - 124 : at + 4, y: Self.top + 3, width: 120, height: 19, style: "plate",
      radius: 4)
    svg.text(
      "peak \(Format.bytes(schedule.peak.bytes))", x: isLate ? at - 10 : at + 10, y: Self.top + 17,
      anchor: isLate ? .end : .start, style: "strong")
  }

  private var description: String {
    let sums = Self.kinds.compactMap { kind -> String? in
      let bytes = schedule.buffers.filter {
        $0.kind == kind.kind && ($0.first...$0.last).contains(schedule.peak.position)
      }.reduce(0.0) { $0 + Double($1.byteCount) }
      return bytes > 0 ? "\(kind.label) \(Format.bytes(Int(min(bytes, 1e18))))" : nil
    }
    return "\(Format.bytes(schedule.peak.bytes)) are in use at call \(schedule.peak.position) of "
      + "\(schedule.positions): " + sums.joined(separator: ", ") + "."
  }
}
