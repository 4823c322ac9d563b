import Records
import Reports

/// Speed and memory over the run, memory against the plan.
struct ResourceFigure {
  let lineup: Lineup

  /// Nil without steps.
  var section: Section? {
    let entries = lineup.entries.filter { $0.runs.first?.steps.isEmpty == false }
    guard !entries.isEmpty else { return nil }
    return Section(
      id: "resources", title: "Speed and memory",
      intro:
        "What each step took, by the process’s own clock and the system’s account of its memory.",
      body: .element("div", ["class": "pair"], speed(entries) + memory(entries))
        + Section.note(note(entries)))
  }

  private func points(
    _ run: RunHistory, _ value: (StepReport) -> Double
  ) -> [(x: Double, y: Double)] {
    zip(run.trainingSeconds, run.steps).map { ($0, value($1)) }
  }

  private func speed(_ entries: [Lineup.Entry]) -> Markup {
    let series = entries.flatMap { entry -> [Series] in
      guard let run = entry.runs.first else { return [] }
      let raw = Series(
        entries.count > 1 ? entry.label : "tokens/s", colour: entry.colour,
        points: points(run, \.tokensPerSecond), form: .faint, isLabelled: false)
      var mean = raw.smoothed(over: max(3, min(200, run.steps.count / 20)))
      (mean.form, mean.isLabelled) = (.line, true)
      return [raw, mean]
    }
    let facts = entries.map { entry in
      let rates = (entry.runs.first?.steps ?? []).map(\.tokensPerSecond).filter(\.isFinite).sorted()
      let median = rates.isEmpty ? 0 : rates[rates.count / 2]
      return "\(entry.label): median \(Format.count(median)) tokens per second"
    }
    let chart = LineChart(
      id: "speed", title: "Tokens per second over training time",
      description: facts.joined(separator: ". "), xTitle: "training time",
      yTitle: "tokens per second", xUnit: .seconds, yUnit: .count, series: series,
      includesZero: true)
    return Section.figure("Tokens per second", chart.svg)
  }

  private func memory(_ entries: [Lineup.Entry]) -> Markup {
    let series = entries.flatMap { entry -> [Series] in
      guard let run = entry.runs.first else { return [] }
      let resident = Series(
        entries.count > 1 ? entry.label : "resident", colour: entry.colour,
        points: points(run) { Double($0.residentBytes) })
      let planned = Series(
        entries.count > 1 ? "\(entry.label), planned" : "planned peak", colour: entry.colour,
        points: points(run) { Double($0.plannedBytes) }, form: .dashed,
        isLabelled: entries.count == 1)
      return [resident, planned]
    }
    let facts = entries.compactMap { entry -> String? in
      guard let last = entry.runs.first?.steps.last else { return nil }
      return "\(entry.label): peak \(Format.bytes(last.peakResidentBytes)) of "
        + "\(Format.bytes(last.plannedBytes)) planned"
    }
    let chart = LineChart(
      id: "memory", title: "Memory over training time, and the plan",
      description: facts.joined(separator: ". "), xTitle: "training time",
      yTitle: "resident memory", xUnit: .seconds, yUnit: .bytes, series: series,
      includesZero: true)
    return Section.figure("Memory against the plan", chart.svg)
  }

  private func note(_ entries: [Lineup.Entry]) -> String {
    let peaks = entries.compactMap { entry -> String? in
      guard let last = entry.runs.first?.steps.last, last.plannedBytes > 0 else { return nil }
      let share = Double(last.peakResidentBytes) / Double(last.plannedBytes)
      let name = entries.count > 1 ? "\(entry.label): " : ""
      return "\(name)peak \(Format.bytes(last.peakResidentBytes)), planned "
        + "\(Format.bytes(last.plannedBytes)) (\(Format.percent(share)))"
    }
    return "Broken lines are the planned peaks. " + peaks.joined(separator: "; ") + "."
  }
}
