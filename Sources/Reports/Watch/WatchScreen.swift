import Records

/// A run as a screen of a terminal: its curve, its memory against the plan, and how long it will take.
public struct WatchScreen {
  public typealias Styler = (String, Terminal.Style) -> String

  private let run: RunHistory
  /// Whether a process is at work on the run.
  private let isAlive: Bool
  private let width: Int
  private let height: Int
  private let styled: Styler

  /// - Parameters:
  ///   - width: columns; no line is longer.
  ///   - height: lines; there are no more.
  public init(
    _ run: RunHistory, isAlive: Bool, width: Int, height: Int,
    styled: @escaping Styler = { text, _ in text }
  ) {
    (self.run, self.isAlive) = (run, isAlive)
    (self.width, self.height) = (max(10, width), max(3, height))
    self.styled = styled
  }

  /// The lines from top to bottom.
  public var lines: [String] {
    let head = [title, progress].compactMap(\.self)
    let foot = (memory + phases + [losses, guarded, warning].compactMap(\.self)).prefix(
      max(0, height - 8))
    let keys = styled(truncated(footer, width: width), .dim)
    let room = height - head.count - foot.count - 3
    var lines = head
    if room >= 4 { lines += [""] + curve(height: min(room - 1, 24)) + [""] }
    lines += foot
    return Array(lines.prefix(height - 1)) + [keys]
  }

  private var total: Int { run.plannedSteps ?? run.steps.last?.step ?? 0 }

  private var title: String {
    guard let start = run.start else { return truncated("no run has started yet", width: width) }
    let model = start.model.split(separator: "/").last.map(String.init) ?? start.model
    let text = [
      start.label, model, "\(start.threads) threads, \(start.instructionSet)",
      "learning rate \(Format.rate(start.learningRate))",
    ].joined(separator: " · ")
    return styled(truncated(text.printable(), width: width), .bold)
  }

  private var progress: String? {
    guard run.start != nil else { return nil }
    let step = run.steps.last
    let done = run.summary?.steps ?? step?.step ?? 0
    let share = total > 0 ? min(1, max(0, Double(done) / Double(total))) : 0
    var words = ["\(done)/\(total)", Format.percent(share)]
    if let step { words.append("\(Format.count(step.tokensPerSecond)) tok/s") }
    words.append(state(step))
    let text = words.joined(separator: "  ")
    let columns = min(40, width - displayWidth(text) - 3)
    guard columns >= 6 else { return truncated(text, width: width) }
    let full = Int((share * Double(columns)).rounded(.down))
    return "[" + styled(String(repeating: "▇", count: full), .green)
      + styled(String(repeating: "·", count: columns - full), .dim) + "] " + text
  }

  private func state(_ step: StepReport?) -> String {
    if let summary = run.summary {
      return "\(summary.reason.rawValue.replacing("_", with: " ")) after "
        + Format.duration(summary.seconds)
    }
    guard isAlive else { return "stopped: no process works on it" }
    guard let step else { return "starting" }
    return "ETA \(Format.duration(step.etaSeconds))"
  }

  private var memory: [String] {
    guard let last = run.steps.last, last.plannedBytes > 0 else { return [] }
    let plan = Double(last.plannedBytes)
    func row(_ label: String, _ bytes: Int) -> String {
      let share = Double(bytes) / plan
      let text =
        "\(Format.bytes(bytes)) of \(Format.bytes(last.plannedBytes)) (\(Format.percent(share)))"
      return bar(label, share: share, text: text, style: share > 1 ? .red : .blue)
    }
    return [row("memory now", last.residentBytes), row("its peak", last.peakResidentBytes)]
  }

  /// Shares of the latest steps' time.
  private var phases: [String] {
    let recent = run.steps.suffix(20).map(\.phases)
    guard !recent.isEmpty else { return [] }
    let sums: [(String, Double)] = [
      ("data", recent.reduce(0) { $0 + $1.data }),
      ("forward", recent.reduce(0) { $0 + $1.forward }),
      ("backward", recent.reduce(0) { $0 + $1.backward }),
      ("update", recent.reduce(0) { $0 + $1.update }),
    ]
    let all = sums.reduce(0) { $0 + $1.1 }
    guard all > 0, all.isFinite else { return [] }
    let text = sums.map { "\($0.0) \(Format.percent($0.1 / all))" }.joined(separator: "  ")
    return [truncated(padded("a step", width: 12) + text, width: width)]
  }

  private func bar(_ label: String, share: Double, text: String, style: Terminal.Style) -> String {
    let name = padded(label, width: 12)
    let columns = min(40, width - 12 - displayWidth(text) - 2)
    guard columns >= 6, share.isFinite else { return truncated(name + text, width: width) }
    let full = Int((min(1, max(0, share)) * Double(columns)).rounded())
    return name + styled(String(repeating: "▇", count: full), style)
      + styled(String(repeating: "·", count: columns - full), .dim) + "  " + text
  }

  private var losses: String? {
    guard let last = run.validations.last(where: \.loss.isFinite), let best = run.best else {
      return nil
    }
    var text = padded("held-out", width: 12)
    if let first = run.validations.first(where: \.loss.isFinite), first.step != last.step {
      text += "\(Format.loss(first.loss)) → "
    }
    text += "\(Format.loss(last.loss)) at step \(last.step)"
    if best.step != last.step { text += "; best \(Format.loss(best.loss)) at step \(best.step)" }
    return truncated(text, width: width)
  }

  private var guarded: String? {
    run.guardReports.last.map { report in
      let text =
        padded("guard", width: 12) + "\(Format.loss(report.loss)) at step \(report.step), "
        + "\(Format.lossDifference(report.increase)) of \(Format.loss(report.maxIncrease))"
      return styled(truncated(text, width: width), report.isWithin ? .green : .red)
    }
  }

  private var warning: String? {
    run.warnings.last.map {
      styled(truncated(padded("warning", width: 12) + $0.printable(), width: width), .red)
    }
  }

  private var footer: String {
    run.best == nil ? "q quits" : "q quits   ⣀⠤ training loss   ● held-out loss"
  }
}

// The curve.
extension WatchScreen {
  private typealias Point = (x: Double, y: Double)

  /// Training losses as a line and held-out ones as dots, with an axis at the left and one below.
  private func curve(height: Int) -> [String] {
    let training: [Point] = run.steps.map { (Double($0.step), $0.loss) }
    let heldOut: [Point] = run.validations.map { (Double($0.step), $0.loss) }
    let finite = (training + heldOut).map(\.y).filter { $0.isFinite && $0.magnitude < 1e300 }
    guard let low = finite.min(), let high = finite.max() else { return [] }
    let labels = [Format.loss(high), Format.loss(low)]
    let left = (labels.map { displayWidth($0) }.max() ?? 0) + 2
    let columns = width - left
    guard columns >= 8 else { return [] }
    let (range, end) = (max(high - low, 1e-12), Double(max(1, total)))
    func place(_ point: Point) -> Point { (point.x / end, (point.y - low) / range) }
    var plot = BrailleCurve(width: columns, height: height - 1)
    plot.draw(training.lazy.map(place))
    var rows = plot.rows.map { $0.map { String($0) } }
    for point in heldOut.map(place) where point.y.isFinite {
      let column = Int((min(1, max(0, point.x)) * Double(columns - 1)).rounded())
      let row = Int(((1 - min(1, max(0, point.y))) * Double(rows.count - 1)).rounded())
      rows[row][column] = styled("●", .green)
    }
    let lines = rows.enumerated().map { index, row in
      let label = index == 0 ? labels[0] : index == rows.count - 1 ? labels[1] : ""
      return padded(label, width: left - 2, alignment: .right) + (label.isEmpty ? " │" : " ┤")
        + row[...(row.lastIndex { $0 != " " } ?? -1)].joined()
    }
    return lines + [axis(left: left, columns: columns)]
  }

  private func axis(left: Int, columns: Int) -> String {
    let (start, end) = ("0", "step \(total)")
    let gap = columns - displayWidth(start) - displayWidth(end)
    guard gap > 0 else {
      return String(repeating: " ", count: left) + truncated(end, width: columns)
    }
    return String(repeating: " ", count: left) + start + String(repeating: " ", count: gap) + end
  }
}
