import Records
import Storage
import Tensors

/// Made-up event streams: all that a run can write, with figures and texts at the edges of what they
/// can be, and in any order, as a damaged or resumed file has them.
public struct EventStreams {
  private var random: RandomSource

  public init(seed: UInt64) { random = RandomSource(seed: seed) }

  /// Events of one run; with `isOrdered` as a run writes them, else with some left out and swapped.
  public mutating func run(isOrdered: Bool) -> [RunEvent] {
    let steps =
      random.integer(below: 3) == 0 ? random.integer(below: 400) : random.integer(below: 20)
    var events: [RunEvent] = [.start(description(steps: steps)), plan]
    events.append(.memory(schedule))
    if chance(2) {
      events.append(.analysis(chance(2) ? .contributions(analysis) : .learningRate(rate)))
    }
    if chance(2) { events.append(.sample(step: 0, prompt: text, text: text)) }
    let isGuarded = chance(2)
    if isGuarded { events.append(.lossGuard(guarded(0))) }
    events.append(.validation(step: 0, loss: figure, best: true))
    for number in stride(from: 1, through: steps, by: 1) {
      events.append(.step(step(number)))
      if isGuarded, chance(8) { events.append(.lossGuard(guarded(number))) }
      if chance(8) { events.append(.validation(step: number, loss: figure, best: chance(2))) }
      if chance(20) { events.append(.warning(text)) }
      if chance(30) { events.append(.snapshot(step: number, path: text, kind: .best)) }
    }
    if chance(2) { events.append(.profile(times)) }
    if chance(2) { events.append(.sample(step: steps, prompt: text, text: text)) }
    if chance(2) { events.append(.done(summary(steps))) }
    if isOrdered { return events }
    for _ in 0..<random.integer(below: 8) where !events.isEmpty {
      let (first, second) = (
        random.integer(below: events.count), random.integer(below: events.count)
      )
      events.swapAt(first, second)
      if chance(2) { events.remove(at: first) }
    }
    return events
  }

  private mutating func chance(_ times: Int) -> Bool { random.integer(below: times) == 0 }

  /// Usual figures, and what a figure can be at worst.
  private var figure: Double {
    mutating get {
      let edges: [Double] = [
        0, -0.0, 1, -1, .nan, .infinity, -.infinity, 1e300, -1e300, 1e-9, 1e18,
        .leastNonzeroMagnitude, .greatestFiniteMagnitude,
      ]
      return chance(12)
        ? edges[random.integer(below: edges.count)]
        : Double(random.integer(below: 100_000)) / 10_000
    }
  }

  private var count: Int {
    mutating get {
      let edges = [0, 1, -1, Int.max, Int.min, 1 << 62, 1 << 40]
      return chance(10) ? edges[random.integer(below: edges.count)] : random.integer(below: 1 << 28)
    }
  }

  private var text: String {
    mutating get {
      let texts = [
        "", "Once upon a time", "<script>alert(1)</script>", "</style></svg></pre>&amp;",
        "\"' onload=x",
        "\u{0}\u{1B}[2J\u{202E}\u{FFFE}\u{10FFFF}", "a\nb\r\nc\td", "日本語 😀 e\u{301}", "]]>--><!--",
        String(repeating: "long ", count: 4000), "http://example.invalid/x.js", "layers[0].mlp.up",
      ]
      return texts[random.integer(below: texts.count)]
    }
  }

  private mutating func description(steps: Int) -> RunDescription {
    RunDescription(
      model: text, method: text, label: text, choice: chance(2) ? text : nil,
      trainableParameters: count, totalParameters: count, steps: chance(9) ? count : steps,
      threads: count, instructionSet: text, precision: text, version: text, learningRate: figure,
      frozenBlocks: count, prefixCacheBytes: count, analysisSeconds: figure,
      rows: chance(3) ? text : nil,
      text: chance(2)
        ? TextAmounts(
          sequenceLength: 16, trainedTokens: 81, trainedDocuments: 2, trainedWindows: 5,
          droppedTokens: 3, heldOutTokens: 9, heldOutDocuments: 1) : nil,
      machine: chance(2) ? MachineRecord(processor: text, cores: count, memoryBytes: count) : nil)
  }

  private var plan: RunEvent {
    mutating get {
      var forecast = MemoryForecast()
      forecast.weights = random.integer(below: 1 << 30)
      forecast.activations = random.integer(below: 1 << 30)
      forecast.workspace = random.integer(below: 1 << 30)
      forecast.measuring = random.integer(below: 3)
      return .plan(forecast, flopsPerToken: figure, fullFlopsPerToken: figure)
    }
  }

  private var schedule: MemorySchedule {
    mutating get {
      let positions = random.integer(below: 300)
      var schedule = MemorySchedule(
        positions: chance(9) ? count : positions, arenaBytes: count, persistentBytes: count,
        peak: .init(position: chance(9) ? count : positions / 2, bytes: count, kernel: text))
      schedule.phases = ["forward", "backward", text].map { name in
        .init(name: name, first: chance(9) ? count : positions / 3)
      }
      let kinds = ["activation", "parameter", "gradient", "optimizer", text]
      for _ in 0..<random.integer(below: 60) {
        let first = random.integer(below: max(1, positions))
        schedule.buffers.append(
          .init(
            name: text, kind: kinds[random.integer(below: kinds.count)],
            offset: max(0, count), byteCount: max(0, count), first: first,
            last: first + random.integer(below: max(1, positions))))
      }
      schedule.live = (0..<random.integer(below: 240)).map { _ in count }
      schedule.leftOut = count
      return schedule
    }
  }

  private mutating func guarded(_ step: Int) -> GuardReport {
    GuardReport(step: step, loss: figure, initialLoss: figure, maxIncrease: figure)
  }

  public mutating func step(_ number: Int) -> StepReport {
    var step = StepReport(step: number)
    (step.epoch, step.loss, step.learningRate, step.gradientNorm) = (figure, figure, figure, figure)
    (step.tokens, step.seconds) = (count, figure)
    step.phases = PhaseSeconds(data: figure, forward: figure, backward: figure, update: figure)
    (step.residentBytes, step.peakResidentBytes, step.plannedBytes) = (count, count, count)
    (step.elapsedSeconds, step.etaSeconds) = (figure, figure)
    if chance(3) { step.joules = figure }
    return step
  }

  public var analysis: AnalysisRecord {
    mutating get {
      var record = AnalysisRecord()
      (record.key, record.chosen, record.heldOut) = (text, text, text)
      (record.baseLoss, record.noise) = (figure, chance(2) ? figure : nil)
      let layers = random.integer(below: 12)
      for layer in 0..<layers {
        for kind in LinearKind.allCases where !chance(4) {
          var tensor = AnalysisRecord.Tensor(name: kind.path(layer: layer))
          (tensor.gain, tensor.score, tensor.isMeasured) = (figure, figure, chance(2))
          (tensor.flops, tensor.bytes) = (figure, count)
          record.tensors.append(tensor)
          if chance(4) { record.scheme[tensor.name] = figure }
        }
      }
      if chance(2) { record.scheme[chance(2) ? "head" : "embedding"] = 0.5 }
      if chance(5) { record.scheme["layers[99999999].mlp.up"] = 1 }
      if chance(5) { record.scheme[text] = 1 }
      for _ in 0..<random.integer(below: 6) {
        var candidate = AnalysisRecord.Candidate(label: text)
        (candidate.isChosen, candidate.learningRate, candidate.flopsShare) = (
          chance(3), figure, figure
        )
        candidate.plannedBytes = count
        candidate.rounds = (0..<random.integer(below: 3)).map { _ in
          .init(steps: count, loss: chance(4) ? nil : figure)
        }
        record.candidates.append(candidate)
      }
      record.calibration = (0..<random.integer(below: 9)).map { _ in
        CalibrationPoint(rate: figure, loss: chance(4) ? nil : figure)
      }
      (record.learningRate, record.measuredGain, record.seconds) = (figure, figure, figure)
      (record.flopsShare, record.plannedBytes) = (figure, count)
      return record
    }
  }

  private var rate: CalibrationRecord {
    mutating get {
      CalibrationRecord(
        key: text, learningRate: figure, calibration: [.init(rate: figure, loss: figure)],
        seconds: figure)
    }
  }

  private var times: KernelTimes {
    mutating get {
      KernelTimes(
        (0..<random.integer(below: 30)).map { _ in
          .init(phase: text, name: text, calls: count, seconds: figure, flops: count)
        })
    }
  }

  private mutating func summary(_ steps: Int) -> RunSummary {
    var summary = RunSummary()
    (summary.steps, summary.tokens) = (steps, count)
    (summary.initialValidationLoss, summary.bestValidationLoss) = (figure, figure)
    (summary.tokensPerSecond, summary.seconds) = (figure, figure)
    (summary.peakResidentBytes, summary.plannedBytes) = (count, count)
    if chance(3) { summary.lossGuard = guarded(steps) }
    summary.reason = EndReason.allCases[random.integer(below: EndReason.allCases.count)]
    return summary
  }

  /// A comparison of up to nine methods.
  public mutating func comparison(labels: [String]) -> ComparisonRecord {
    var record = ComparisonRecord(
      isComplete: chance(2), subject: labels.first ?? text, reference: labels.last ?? text,
      counted: chance(2) ? .final : .best)
    for label in labels {
      var row = ComparisonRow(method: text, label: label, seed: random.integer(below: 3))
      (row.finalLoss, row.seconds) = (figure, figure)
      record.rows.append(row)
      func sample() -> SampleRecord {
        SampleRecord(mean: figure, low: chance(2) ? figure : nil, high: chance(2) ? figure : nil)
      }
      var summary = SummaryRecord(
        label: label, method: text, seeds: random.integer(below: 4), finalLoss: sample(),
        bestLoss: sample(), difference: sample(), lossAtEqualTime: sample(),
        timeToReferenceLoss: .init(mean: figure, seeds: 1, of: 2), timeRatio: sample())
      (summary.tokensPerSecond, summary.trainingSeconds) = (figure, figure)
      (summary.plannedBytes, summary.trainableParameters) = (count, count)
      record.summaries.append(summary)
    }
    if chance(2) { record.leftOut = [.init(label: text, seed: 1, reason: text)] }
    if record.isComplete {
      record.verdict = VerdictRecord(
        text: text, outcome: .win, method: text, reference: text, counted: .final,
        difference: SampleRecord(mean: figure, low: nil, high: nil))
    }
    return record
  }
}
