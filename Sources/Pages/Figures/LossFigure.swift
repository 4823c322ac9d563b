import Records
import Reports

/// Losses of all methods, by step and by training time.
struct LossFigure {
  let lineup: Lineup

  /// Nil where no run has a step or a validation yet.
  var section: Section? {
    let runs = lineup.entries.flatMap(\.runs)
    let hasSteps = runs.contains { !$0.steps.isEmpty }
    let hasValidations = runs.contains { !$0.validations.isEmpty }
    guard hasSteps || hasValidations else { return nil }
    var figures: [Markup] = []
    if lineup.entries.count == 1 {
      figures = [
        panel(.step, held: true, training: true), panel(.time, held: true, training: true),
      ]
    } else {
      if hasValidations {
        figures += [
          panel(.step, held: true, training: false), panel(.time, held: true, training: false),
        ]
      }
      if hasSteps {
        figures += [
          panel(.step, held: false, training: true), panel(.time, held: false, training: true),
        ]
      }
    }
    if let guarded { figures.append(guarded) }
    return Section(
      id: "loss", title: "Loss",
      intro: "Mean negative log-likelihood per token, in nats: lower is better.",
      body: .element("div", ["class": "pair"], figures.joined()) + note(hasSteps: hasSteps))
  }

  private enum Axis {
    case step, time
  }

  private func panel(_ axis: Axis, held: Bool, training: Bool) -> Markup {
    let what = held && training ? "Loss" : held ? "Held-out loss" : "Training loss"
    let by = axis == .step ? "by step" : "by training time"
    var series: [Series] = []
    for entry in lineup.entries {
      if training { series += trainingSeries(entry, axis, isLabelled: !held) }
      if held { series += heldOutSeries(entry, axis, alone: training) }
    }
    let chart = LineChart(
      id: "loss-\(what.prefix(4).lowercased())-\(axis == .step ? "step" : "time")",
      title: "\(what) \(by)", description: description(what, by),
      xTitle: axis == .step
        ? "step" : "training time",
      yTitle: "loss in nats", xUnit: axis == .step ? .count : .seconds, series: series,
      mayBeLogarithmic: true,
      xEnd: axis == .step ? lineup.entries.first?.runs.first?.plannedSteps.map(Double.init) : nil)
    return Section.figure("\(what) \(by)", chart.svg)
  }

  /// The guard's losses of all methods, and their limit; nil without a guard.
  private var guarded: Markup? {
    let guarded = lineup.entries.compactMap { entry in
      entry.runs.first.flatMap { $0.guardReports.isEmpty ? nil : (entry, $0.guardReports) }
    }
    guard let (_, reports) = guarded.first, let first = reports.first else { return nil }
    let limit = first.initialLoss + first.maxIncrease
    let end = guarded.flatMap { $0.1.map(\.step) }.max() ?? 0
    let line = Series(
      "limit", colour: lineup.entries.count,
      points: [(0, limit), (Double(max(1, end)), limit)], form: .dashed)
    let series = guarded.map { entry, reports in
      Series(
        entry.label, colour: entry.colour, points: reports.map { (Double($0.step), $0.loss) },
        form: .dots)
    }
    let texts = guarded.map { entry, reports in
      "\(entry.label): from \(Format.loss(reports[0].loss)) to "
        + Format.loss(reports[reports.count - 1].loss)
    }
    let title = "Guard’s loss by step"
    let chart = LineChart(
      id: "loss-guard-step", title: title,
      description: "\(title), at most \(Format.loss(limit)). " + texts.joined(separator: ". "),
      xTitle: "step", yTitle: "loss in nats", xUnit: .count, series: series + [line],
      mayBeLogarithmic: true,
      xEnd: lineup.entries.first?.runs.first?.plannedSteps.map(Double.init))
    return Section.figure(title, chart.svg)
  }

  private func x(_ run: RunHistory, _ axis: Axis) -> [Double] {
    axis == .step ? run.steps.map { Double($0.step) } : run.trainingSeconds
  }

  /// Single steps, and behind them the mean of a twentieth of them, up to 200.
  private func trainingSeries(_ entry: Lineup.Entry, _ axis: Axis, isLabelled: Bool) -> [Series] {
    guard let run = entry.runs.first, !run.steps.isEmpty else { return [] }
    let points = zip(x(run, axis), run.steps).map { ($0, $1.loss) }
    let label = isLabelled ? entry.label : "training"
    let raw = Series(
      label, colour: entry.colour, points: points, form: .faint, isLabelled: false)
    let mean = Series(label, colour: entry.colour, points: points)
      .smoothed(over: max(1, min(200, run.steps.count / 20)))
    return run.steps.count > 80 ? [raw, mean] : [mean]
  }

  /// The validations of every seed; the first one's have the label and the ring.
  private func heldOutSeries(_ entry: Lineup.Entry, _ axis: Axis, alone: Bool) -> [Series] {
    entry.runs.enumerated().compactMap { index, run in
      guard !run.validations.isEmpty else { return nil }
      let at = axis == .step ? run.validations.map { Double($0.step) } : seconds(run)
      let best = run.best.flatMap { best in run.validations.firstIndex { $0 == best } }
      return Series(
        alone ? "held-out" : entry.label, colour: alone ? entry.colour + 1 : entry.colour,
        points: zip(at, run.validations).map { ($0, $1.loss) }, form: index == 0 ? .dots : .faint,
        marked: index == 0 ? best : nil, isLabelled: index == 0)
    }
  }

  /// Training time at each validation.
  private func seconds(_ run: RunHistory) -> [Double] {
    let sums = run.trainingSeconds
    var (place, now) = (0, run.analysisSeconds)
    return run.validations.map { validation in
      while place < run.steps.count, run.steps[place].step <= validation.step {
        now = sums[place]
        place += 1
      }
      return now
    }
  }

  private func description(_ what: String, _ by: String) -> String {
    let parts = lineup.entries.compactMap { entry -> String? in
      guard let run = entry.runs.first else { return nil }
      var text = entry.label
      if let first = run.validations.first(where: \.loss.isFinite), let best = run.best {
        text +=
          ": held-out loss from \(Format.loss(first.loss)) to \(Format.loss(best.loss)) at step "
        text += "\(best.step)"
      }
      if let first = run.steps.first, let last = run.steps.last {
        text += "; training loss from \(Format.loss(first.loss)) to \(Format.loss(last.loss))"
      }
      return text
    }
    return "\(what) \(by). " + parts.joined(separator: ". ")
  }

  private func note(hasSteps: Bool) -> Markup {
    let seeds = lineup.entries.map(\.runs.count).max() ?? 1
    var text = "A ring marks the best validation."
    if hasSteps {
      text +=
        " Training losses are single batches; where there are many, they are drawn thin behind"
      text += " their running mean."
    }
    if seeds > 1 {
      text += " Thin lines are further seeds; training losses are the first seed’s."
    }
    text += " Training time has the measuring before the first step in it, and no validations."
    let broken = lineup.entries.flatMap(\.runs).contains { run in
      run.steps.contains { !$0.loss.isFinite } || run.validations.contains { !$0.loss.isFinite }
    }
    if broken { text += " × marks a loss that was no finite number." }
    return Section.note(text)
  }
}
