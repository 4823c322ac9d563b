import Storage

#if canImport(Glibc)
  import Glibc
#endif

extension RunEvent {
  /// The event as a line of the event stream.
  public var json: JSONValue {
    switch self {
    case .start(let run): run.json
    case .plan(let memory, let flops, let fullFlops):
      [
        "type": "plan", "planned_bytes": memory.json, "flops_per_token": .number(flops),
        "full_flops_per_token": .number(fullFlops),
      ]
    case .analysis(let json): json
    case .step(let report): report.json
    case .validation(let step, let loss, let best):
      [
        "type": "validation", "step": .int(step), "loss": .number(loss),
        "perplexity": .number(exp(loss)), "best": .bool(best),
      ]
    case .snapshot(let step, let path, let kind):
      ["type": "snapshot", "step": .int(step), "path": .string(path), "kind": .string(kind)]
    case .warning(let text): ["type": "warning", "message": .string(text)]
    case .sample(let step, let prompt, let text):
      ["type": "sample", "step": .int(step), "prompt": .string(prompt), "text": .string(text)]
    case .done(let summary): summary.json
    }
  }
}

extension MemoryForecast {
  /// Bytes by kind; `total` is what the process should peak at.
  public var json: JSONValue {
    [
      "weights": .int(weights), "activations": .int(activations), "gradients": .int(gradients),
      "optimizer": .int(optimizer), "workspace": .int(workspace), "total": .int(total),
      "arena": .int(arena), "runtime": .int(runtime), "measuring": .int(measuring),
    ]
  }
}

extension RunDescription {
  var json: JSONValue {
    [
      "type": "start", "model": .string(model), "method": .string(method),
      "label": .string(label), "choice": choice.map { .string($0) } ?? .null,
      "trainable_parameters": .int(trainableParameters),
      "total_parameters": .int(totalParameters), "steps": .int(steps), "threads": .int(threads),
      "instruction_set": .string(instructionSet), "precision": .string(precision),
      "learning_rate": .number(learningRate), "version": .string(version),
      "frozen_blocks": .int(frozenBlocks), "prefix_cache_bytes": .int(prefixCacheBytes),
      "analysis_seconds": .number(analysisSeconds),
    ]
  }
}

extension StepReport {
  var json: JSONValue {
    [
      "type": "step", "step": .int(step), "epoch": .number(epoch), "loss": .number(loss),
      "learning_rate": .number(learningRate), "grad_norm": .number(gradientNorm),
      "tokens": .int(tokens), "tokens_per_second": .number(tokensPerSecond),
      "step_seconds": .number(seconds),
      "phase_seconds": [
        "data": .number(phases.data), "forward": .number(phases.forward),
        "backward": .number(phases.backward), "update": .number(phases.update),
      ],
      "rss_bytes": .int(residentBytes), "peak_rss_bytes": .int(peakResidentBytes),
      "planned_bytes": .int(plannedBytes), "elapsed_seconds": .number(elapsedSeconds),
      "eta_seconds": .number(etaSeconds),
    ]
  }
}

extension RunSummary {
  /// The summary as the stream's last line, and as `summary.json`.
  public var json: JSONValue {
    func loss(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    return [
      "type": "done", "steps": .int(steps), "tokens": .int(tokens),
      "initial_validation_loss": loss(initialValidationLoss),
      "final_validation_loss": loss(finalValidationLoss),
      "best_validation_loss": loss(bestValidationLoss),
      "tokens_per_second": .number(tokensPerSecond), "peak_rss_bytes": .int(peakResidentBytes),
      "planned_bytes": .int(plannedBytes), "seconds": .number(seconds),
      "reason": .string(reason),
    ]
  }
}

extension RunSummary {
  /// Reads a summary back from its JSON; what is missing stays at its default.
  public init(_ json: JSONValue) {
    self.init()
    steps = json["steps"]?.int ?? 0
    tokens = json["tokens"]?.int ?? 0
    initialValidationLoss = json["initial_validation_loss"]?.double
    finalValidationLoss = json["final_validation_loss"]?.double
    bestValidationLoss = json["best_validation_loss"]?.double
    tokensPerSecond = json["tokens_per_second"]?.double ?? 0
    peakResidentBytes = json["peak_rss_bytes"]?.int ?? 0
    plannedBytes = json["planned_bytes"]?.int ?? 0
    seconds = json["seconds"]?.double ?? 0
    reason = json["reason"]?.string ?? ""
  }
}
