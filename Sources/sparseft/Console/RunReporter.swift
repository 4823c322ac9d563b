import Records
import Reports
import Storage
import Tensors
import Training

/// Shows a run's events: as messages above a live line for people, or as JSON lines on standard
/// output for programs.
final class RunReporter {
  /// The event stream for programs; nil if output is for people.
  private let stream: EventWriter?
  private var line: ProgressLine
  private var totalSteps = 0
  private var validationLoss: Double?
  /// What was found of the guard, until the validation of the same step is told.
  private var guardNote = ""
  /// The held-out loss before training.
  private var initialLoss = Double.infinity

  /// - Parameters:
  ///   - json: true for JSON lines on standard output and no text for people.
  ///   - line: where text for people goes.
  init(json: Bool, line: ProgressLine = ProgressLine()) throws(ReportError) {
    self.line = line
    stream = json ? try EventWriter(path: nil, mirror: 1) : nil
  }

  /// Ends the live line of a run that does not end by itself.
  func finish() { line.finish() }

  func handle(_ event: RunEvent) throws(ReportError) {
    if let stream { try stream.write(event.json) } else { show(event) }
  }

  private func show(_ event: RunEvent) {
    switch event {
    case .start(let run): show(run)
    case .plan(let memory, let flops, let fullFlops):
      line.message(
        "  plan: peak \(Format.bytes(memory.total)), arena \(Format.bytes(memory.arena)); "
          + "\(Format.percent(flops / max(1, fullFlops))) of full fine-tuning's arithmetic")
    case .memory, .analysis, .profile: break
    case .step(let report):
      line.update(
        ProgressState(report, totalSteps: totalSteps, validationLoss: validationLoss))
    case .lossGuard(let report):
      guardNote =
        "; guard \(Format.loss(report.loss))"
        + (report.step == 0
          ? ", may rise by \(Format.loss(report.maxIncrease))"
          : " (\(Format.lossDifference(report.increase)) of \(Format.loss(report.maxIncrease))"
            + (report.isWithin ? ")" : ", beyond the limit)"))
    case .validation(let step, let loss, let best, let privacy):
      validationLoss = loss
      if step == 0 { initialLoss = loss }
      let note =
        loss >= initialLoss && step > 0
        ? " (not better than before training)" : best ? " (best so far)" : ""
      line.message(
        "  step \(step): held-out loss \(Format.loss(loss))" + note + guardNote
          + Self.words(privacy))
      guardNote = ""
    case .snapshot: break
    case .warning(let text): line.message("warning: \(text)")
    case .sample(let step, let prompt, let text):
      line.message("  sample \(step == 0 ? "before" : "after"): \(prompt)\(text)")
    case .done(let summary):
      line.finish()
      line.message(Self.closing(summary))
    }
  }

  private func show(_ run: RunDescription) {
    totalSteps = run.steps
    let share = Double(run.trainableParameters) / Double(max(1, run.totalParameters))
    line.message(
      "\(run.label): trains \(Format.count(run.trainableParameters)) of "
        + "\(Format.count(run.totalParameters)) parameters (\(Format.percent(share))), "
        + "\(run.steps) steps, learning rate \(Format.rate(run.learningRate)), "
        + "\(run.threads) threads, \(run.instructionSet)")
    if let choice = run.choice { line.message("  \(choice)") }
    if let text = run.text { line.message("  \(Format.text(text))") }
    if let rows = run.rows { line.message("  \(rows)") }
    if let text = Format.frozenPrefix(run.frozenBlocks, cacheBytes: run.prefixCacheBytes) {
      line.message("  " + text)
    }
  }

  private static func closing(_ summary: RunSummary) -> String {
    var text = "\(summary.reason.rawValue) after \(summary.steps) steps in "
    text += "\(Format.duration(summary.seconds)), "
    text += "\(Format.count(summary.tokensPerSecond)) tokens/s"
    if let first = summary.initialValidationLoss, let best = summary.bestValidationLoss {
      text += "; held-out loss \(Format.loss(first)) → \(Format.loss(best))"
    }
    if let joules = summary.joulesPerToken {
      text += "; \(formatted(joules, decimals: 4)) joules per token"
    }
    let planned = Double(max(1, summary.plannedBytes))
    let deviation = (Double(summary.peakResidentBytes) - planned) / planned
    text += "; peak \(Format.bytes(summary.peakResidentBytes)), planned "
    text += "\(Format.bytes(summary.plannedBytes)) "
    text += "(\(deviation < 0 ? "−" : "+")\(formatted(100 * abs(deviation), decimals: 1)) %)"
    return text
  }
}

extension RunReporter {
  /// ", privacy ε 2.108 at δ 1e-05"; nothing for a run without privacy.
  private static func words(_ privacy: PrivacyLoss?) -> String {
    guard let privacy else { return "" }
    let epsilon = privacy.epsilon.isFinite ? formatted(privacy.epsilon, decimals: 3) : "infinite"
    return ", privacy ε \(epsilon) at δ \(privacy.delta)"
  }
}
