import Execution
import Programs
import Records
import Reports
import Storage
import Tensors
import Training

/// What `plan` says about a run.
struct PlanReport {
  let run: PlannedRun
  let seconds: PlannedSeconds
  let rates: PlannedRates
  let waterfall: MemoryWaterfall
  /// How the step's products are computed.
  let products: [ProductDecision]

  var json: JSONValue {
    [
      "type": "plan", "planned_bytes": run.forecast.json,
      "flops_per_token": .number(run.flopsPerToken),
      "full_flops_per_token": .number(run.fullFlopsPerToken),
      "trainable_parameters": .int(run.step.trainableParameters),
      "total_parameters": .int(run.step.totalParameters), "steps": .int(run.settings.steps),
      "tokens_per_step": .int(run.settings.shape.tokensPerStep),
      "step_seconds": .number(seconds.step), "later_step_seconds": .number(seconds.laterStep),
      "validation_seconds": .number(seconds.validation),
      "later_validation_seconds": .number(seconds.laterValidation),
      "frozen_blocks": .int(run.step.frozenBlocks),
      "prefix_cache_bytes": .int(run.prefixCaches.byteCount),
      "tokens_per_second": .number(seconds.tokensPerSecond), "seconds": .number(seconds.total),
      "analysis_seconds": .number(seconds.measuring(run.decision)),
      "precision": .string(run.settings.precision.rawValue),
      "peak_flops": .number(rates.peak), "share_of_peak": .number(rates.share),
      "waterfall": .array(
        waterfall.measures.map { ["measure": .string($0.label), "bytes": .int($0.bytes)] }),
      "products": .array(products.map(\.record.json)),
      "choice": run.decision.choice.map { .string($0) } ?? .null,
    ]
  }

  /// For people, on standard output.
  func show() {
    let (memory, shape) = (run.forecast, run.settings.shape)
    Output.print(
      "\(run.recipe.method.displayLabel): trains \(Format.count(run.step.trainableParameters)) of "
        + "\(Format.count(run.step.totalParameters)) parameters")
    if let choice = run.decision.choice { Output.print(choice) }
    if let text = Format.frozenPrefix(
      run.step.frozenBlocks, cacheBytes: run.prefixCaches.byteCount)
    {
      Output.print(text)
    }
    Output.print("\nmemory at the peak: \(Format.bytes(memory.total))")
    let bars = MemoryBars([
      ("weights", memory.weights), ("activations", memory.activations),
      ("gradients", memory.gradients), ("optimizer", memory.optimizer),
      ("workspace", memory.workspace - memory.runtime - memory.measuring),
      ("measuring", memory.measuring), ("runtime", memory.runtime),
    ])
    Output.print(bars.text())
    Output.print("\nwhat brings it there:\n\(waterfallTable.text)")
    Output.print(
      """

      arithmetic: \(Format.count(run.flopsPerToken)) operations per token, \
      \(Format.percent(run.flopsPerToken / max(1, run.fullFlopsPerToken))) of full fine-tuning's
      products: \(run.settings.precision.rawValue), \
      \(Format.percent(rates.share)) of the \(Format.count(rates.peak / 1e9)) G operations/s \
      that dot products of this step's types reach here\(backends)
      time: \(formatted(seconds.step, decimals: 3)) s per step of \(shape.tokensPerStep) tokens \
      (\(Format.count(seconds.tokensPerSecond)) tokens/s)\(later), \
      \(formatted(seconds.validation, decimals: 1)) s per validation; \(run.settings.steps) steps \
      with \(run.settings.validations) validations take about \(Format.duration(seconds.total))\(measuring)
      """)
  }

  private var waterfallTable: Table {
    var table = Table([.init("measure"), .init("peak", .right), .init("saves", .right)])
    var before: Int?
    for measure in waterfall.measures {
      let saved = before.map { Format.bytes($0 - measure.bytes) } ?? ""
      table.add([measure.label, Format.bytes(measure.bytes), saved])
      before = measure.bytes
    }
    return table
  }

  /// How many products each back-end computes, by type and size.
  private var backends: String {
    let counts = ProductBackend.allCases.compactMap { backend -> String? in
      let count = products.filter { $0.variant.backend == backend }.count
      return count > 0 ? "\(backend.rawValue) \(count)" : nil
    }
    return counts.isEmpty ? "" : "\nback-ends: \(counts.joined(separator: ", "))"
  }

  /// What comes before the first step, if anything does.
  private var measuring: String {
    run.decision.measuringSteps == 0
      ? ""
      : "\nmeasuring before that: at most \(Format.duration(seconds.measuring(run.decision)))"
  }

  /// What a step takes once the caches are full, if there are any.
  private var later: String {
    run.prefixCaches.byteCount == 0
      ? "" : ", \(formatted(seconds.laterStep, decimals: 3)) s after the first epoch"
  }
}
