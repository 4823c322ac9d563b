import Records
import Reports
import Tensors

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
      body: .element("div", ["class": "pair"], speed(entries) + memory(entries) + energy(entries))
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

  /// Joules per token, where the machine counts them.
  private func energy(_ entries: [Lineup.Entry]) -> Markup {
    let measured = entries.filter { entry in
      entry.runs.first?.steps.contains { $0.joulesPerToken?.isFinite == true } == true
    }
    guard !measured.isEmpty else { return .empty }
    let series = measured.compactMap { entry -> Series? in
      guard let run = entry.runs.first else { return nil }
      return Series(
        measured.count > 1 ? entry.label : "joules", colour: entry.colour,
        points: points(run) { $0.joulesPerToken ?? .nan }
      ).smoothed(over: max(3, min(200, run.steps.count / 20)))
    }
    let facts = measured.map { entry in
      let values = (entry.runs.first?.steps ?? []).compactMap(\.joulesPerToken)
        .filter(\.isFinite).sorted()
      return
        "\(entry.label): median \(formatted(values[values.count / 2], decimals: 4)) joules per token"
    }
    let chart = LineChart(
      id: "energy", title: "Energy per token over training time",
      description: facts.joined(separator: ". "), xTitle: "training time",
      yTitle: "joules per token", xUnit: .seconds, series: series, includesZero: true)
    return Section.figure("Energy per token", chart.svg)
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
