import Records
import Reports
import Tensors

/// The page's title and the figures that matter most.
struct Heading {
  private let files: RunFiles
  private let run: RunHistory?

  init(_ files: RunFiles, _ run: RunHistory?) { (self.files, self.run) = (files, run) }

  var title: String { words.cut(to: 160) }

  private var words: String {
    guard let start = run?.start else { return "Analysis: \(files.name)" }
    if let comparison = files.comparison {
      return "\(files.name): \(comparison.subject) against others"
    }
    return "\(files.name): \(start.label)"
  }

  /// What became of it, in a sentence.
  var lead: String {
    guard let run, let start = run.start else {
      return files.analysis.map { analysis in
        "Chosen: \(analysis.chosen.cut(to: 120)); measured in \(Format.duration(analysis.seconds))"
      } ?? ""
    }
    let model = start.model.split(separator: "/").last.map(String.init) ?? start.model
    let choice = start.choice?.split(separator: "\n").first.map(String.init)
    return [model, state(run, start), choice].compactMap(\.self).joined(separator: " · ").cut(
      to: 600)
  }

  private func state(_ run: RunHistory, _ start: RunDescription) -> String {
    let done = run.steps.last?.step ?? 0
    guard let summary = run.summary else {
      let left = run.steps.last.map { ", about \(Format.duration($0.etaSeconds)) left" } ?? ""
      return "step \(done) of \(start.steps), not finished\(left)"
    }
    let time = Format.duration(summary.seconds)
    return switch summary.reason {
    case .finished: "finished after \(summary.steps) steps in \(time)"
    case .earlyStopping: "stopped early after \(summary.steps) of \(start.steps) steps in \(time)"
    case .interrupted: "interrupted after \(summary.steps) of \(start.steps) steps, saved"
    }
  }

  var facts: Markup {
    let facts = self.figures.map { fact in
      Markup.element(
        "div", [:],
        .element("dt", [:], Markup(text: fact.name))
          + .element("dd", ["class": "figure"], Markup(text: fact.value))
          + (fact.aside.map { .element("dd", ["class": "aside"], Markup(text: $0)) } ?? .empty))
    }
    return facts.isEmpty ? .empty : .element("dl", ["class": "facts"], facts.joined())
  }

  private typealias Fact = (name: String, value: String, aside: String?)

  private var figures: [Fact] {
    guard let run, let start = run.start else {
      return files.analysis.map(analysisFigures) ?? []
    }
    var facts: [Fact] = []
    if let best = run.best {
      let first = run.validations.first { $0.step == 0 && $0.loss.isFinite }
      facts.append(
        (
          "best held-out loss", Format.loss(best.loss),
          first.map { "\(Format.loss($0.loss)) before, nats per token" } ?? "nats per token"
        ))
    } else if let last = run.steps.last {
      facts.append(("training loss", Format.loss(last.loss), "last step, nats per token"))
    }
    let share = Double(start.trainableParameters) / Double(max(1, start.totalParameters))
    facts.append(
      (
        "trained parameters", Format.count(start.trainableParameters),
        "\(Format.percent(share)) of \(Format.count(start.totalParameters))"
      ))
    facts += resources(run)
    if run.fullFlopsPerToken > 0 {
      facts.append(
        (
          "arithmetic", Format.percent(run.flopsPerToken / run.fullFlopsPerToken),
          "of full fine-tuning’s"
        ))
    }
    return facts
  }

  private func resources(_ run: RunHistory) -> [Fact] {
    var facts: [Fact] = []
    let rates = run.steps.map(\.tokensPerSecond).filter(\.isFinite).sorted()
    if let summary = run.summary, summary.tokensPerSecond > 0 {
      facts.append(("speed", "\(Format.count(summary.tokensPerSecond)) tokens/s", "while training"))
    } else if !rates.isEmpty {
      facts.append(("speed", "\(Format.count(rates[rates.count / 2])) tokens/s", "median so far"))
    }
    if let peak = run.summary?.peakResidentBytes ?? run.steps.last?.peakResidentBytes, peak > 0 {
      facts.append(
        (
          "peak memory", Format.bytes(peak),
          run.forecast.map { "\(Format.bytes($0.total)) planned" }
        ))
    }
    let seconds = run.steps.reduce(0) { $0 + ($1.seconds.isFinite ? $1.seconds : 0) }
    if seconds > 0 {
      let analysis = run.analysisSeconds
      facts.append(
        (
          "training time", Format.duration(seconds),
          analysis > 0 ? "and \(Format.duration(analysis)) of measuring" : nil
        ))
    }
    return facts
  }

  private func analysisFigures(_ analysis: AnalysisRecord) -> [Fact] {
    var facts: [Fact] = []
    if let gain = analysis.measuredGain {
      facts.append(("gain in its probe", "\(Format.loss(gain)) nats", "of the chosen candidate"))
    }
    if let rate = analysis.learningRate { facts.append(("learning rate", Format.rate(rate), nil)) }
    if let share = analysis.flopsShare {
      facts.append(("arithmetic", Format.percent(share), "of full fine-tuning’s"))
    }
    facts.append(("memory", Format.bytes(analysis.plannedBytes), "planned peak"))
    facts.append(
      (
        "probes", "\(analysis.probe.probes)",
        "\(Format.percent(analysis.probe.priceShare)) of the run’s arithmetic"
      ))
    return facts
  }

  var footer: String {
    "Written by sparseft \(run?.start?.version ?? "") from the run’s own records. "
      + "This file needs no other and opens no connection."
  }
}
