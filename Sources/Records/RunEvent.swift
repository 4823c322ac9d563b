import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// An event of a run: one line of `events.jsonl`.
public enum RunEvent: JSONRecord {
  case start(RunDescription)
  case plan(MemoryForecast, flopsPerToken: Double, fullFlopsPerToken: Double)
  /// What the step's arena holds at which of its calls.
  case memory(MemorySchedule)
  /// What was measured before training.
  case analysis(Measurement)
  case step(StepReport)
  /// A pass over the held-out text; the loss is a mean over its tokens, in nats.
  /// With what the steps before it have cost in privacy, for a private run.
  case validation(step: Int, loss: Double, best: Bool, privacy: PrivacyLoss? = nil)
  /// A pass over the guard's text, told before the validation of the same step.
  case lossGuard(GuardReport)
  case snapshot(step: Int, path: String, kind: SnapshotKind)
  case warning(String)
  /// A text drawn before the first step (`step` 0) or after the last one.
  case sample(step: Int, prompt: String, text: String)
  /// What the kernels of a step took, after the last one.
  case profile(KernelTimes)
  case done(RunSummary)
}

/// Which of a run's two snapshots: the one with the lowest held-out loss, or the latest, to resume.
public enum SnapshotKind: String, Hashable, Sendable, CaseIterable {
  case best, last
}

extension RunEvent {
  /// Values of the key `type`.
  private enum Kind: String {
    case start, plan, memory, analysis, step, validation, snapshot, warning, sample, profile, done
    case lossGuard = "guard"
  }

  /// The step that a step, a validation or a snapshot belongs to; nil for other events.
  public var step: Int? {
    switch self {
    case .step(let report): report.step
    case .validation(let step, _, _, _), .snapshot(let step, _, _): step
    case .lossGuard(let report): report.step
    default: nil
    }
  }

  /// The event as a line of the event stream.
  public var json: JSONValue {
    switch self {
    case .start(let run): run.json
    case .plan(let memory, let flops, let fullFlops):
      [
        "type": "plan", "planned_bytes": memory.json, "flops_per_token": .number(flops),
        "full_flops_per_token": .number(fullFlops),
      ]
    case .memory(let schedule): schedule.json
    case .analysis(let measurement): measurement.json
    case .step(let report): report.json
    case .validation(let step, let loss, let best, let privacy):
      .object(
        JSONObject(
          [
            ("type", "validation"), ("step", .int(step)), ("loss", .number(loss)),
            ("perplexity", .number(exp(loss))), ("best", .bool(best)),
          ] + (privacy?.members ?? [])))
    case .lossGuard(let report): report.json
    case .snapshot(let step, let path, let kind):
      [
        "type": "snapshot", "step": .int(step), "path": .string(path),
        "kind": .string(kind.rawValue),
      ]
    case .warning(let text): ["type": "warning", "message": .string(text)]
    case .sample(let step, let prompt, let text):
      ["type": "sample", "step": .int(step), "prompt": .string(prompt), "text": .string(text)]
    case .profile(let times): times.json
    case .done(let summary): summary.json
    }
  }

  /// Reads a line of the event stream; nil for event types that this version does not know, and for
  /// steps, validations and snapshots without their required members.
  public init?(_ json: JSONValue) {
    switch json["type"]?.string.flatMap(Kind.init) {
    case .start: self = .start(RunDescription(json))
    case .plan:
      self = .plan(
        MemoryForecast(json["planned_bytes"] ?? .null),
        flopsPerToken: json.double("flops_per_token"),
        fullFlopsPerToken: json.double("full_flops_per_token"))
    case .memory: self = .memory(MemorySchedule(json))
    case .analysis: self = .analysis(Measurement(json))
    case .step:
      guard let report = StepReport(json) else { return nil }
      self = .step(report)
    case .validation:
      guard let step = json["step"]?.int else { return nil }
      self = .validation(
        step: step, loss: json["loss"]?.double ?? .nan, best: json.bool("best"),
        privacy: PrivacyLoss(json))
    case .lossGuard:
      guard let report = GuardReport(json) else { return nil }
      self = .lossGuard(report)
    case .snapshot:
      guard let kind = SnapshotKind(rawValue: json.string("kind")) else { return nil }
      self = .snapshot(step: json.int("step"), path: json.string("path"), kind: kind)
    case .warning: self = .warning(json.string("message"))
    case .sample:
      self = .sample(
        step: json.int("step"), prompt: json.string("prompt"), text: json.string("text"))
    case .profile: self = .profile(KernelTimes(json))
    case .done: self = .done(RunSummary(json))
    case nil: return nil
    }
  }
}
