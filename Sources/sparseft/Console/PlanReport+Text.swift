import Compilation
import Execution
import Programs
import Reports
import Runs
import Tensors
import Training

extension PlanReport {
  /// Prints the plan to standard output.
  func show() {
    Output.print(
      "\(run.recipe.method.displayLabel): trains \(Format.count(run.step.trainableParameters)) of "
        + "\(Format.count(run.step.totalParameters)) parameters")
    if let choice = run.decision.choice { Output.print(choice) }
    if let text = Format.frozenPrefix(
      run.step.frozenBlocks, cacheBytes: run.prefixCaches.byteCount)
    {
      Output.print(text)
    }
    Output.print("\nmemory at the peak: \(Format.bytes(run.forecast.total))")
    Output.print(bars.text())
    Output.print("\nwhat brings it there:\n\(waterfallTable.text)")
    Output.print("\nactivations kept for the backward pass:\n\(activationTable.text)")
    Output.print(figures)
  }

  private var bars: MemoryBars {
    let memory = run.forecast
    return MemoryBars([
      ("weights", memory.weights), ("activations", memory.activations),
      ("gradients", memory.gradients), ("optimizer", memory.optimizer),
      ("workspace", memory.workspace - memory.runtime - memory.measuring),
      ("measuring", memory.measuring), ("runtime", memory.runtime),
    ])
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

  /// A row for each method, a column for each kind of activation that any of them keeps.
  private var activationTable: Table {
    let parts = ActivationAccount.Part.allCases.filter { part in
      activations.entries.contains { $0.kept[part] > 0 }
    }
    var table = Table(
      [.init("method")] + parts.map { .init($0.words, .right) } + [.init("all", .right)])
    for entry in activations.entries {
      let bytes = parts.map { entry.kept[$0] } + [entry.kept.total]
      table.add([entry.label] + bytes.map { $0 == 0 ? "" : Format.bytes($0) })
    }
    return table
  }

  /// The plan's arithmetic and time.
  private var figures: String {
    """

    arithmetic: \(Format.count(run.flopsPerToken)) operations per token, \
    \(Format.percent(run.flopsPerToken / max(1, run.fullFlopsPerToken))) of full fine-tuning's
    products: \(run.settings.precision.base.rawValue)\(kept), \
    \(Format.percent(rates.share)) of the \(Format.count(rates.peak / 1e9)) G operations/s \
    that dot products of this step's types reach here\(backends)
    time: \(formatted(seconds.step, decimals: 3)) s per step of \
    \(run.settings.shape.tokensPerStep) tokens \
    (\(Format.count(seconds.tokensPerSecond)) tokens/s)\(later), \
    \(formatted(seconds.validation, decimals: 1)) s per validation; \(run.settings.steps) steps \
    with \(run.settings.validations) validations take about \(Format.duration(seconds.total))\(measuring)
    """
  }

  /// The matrices whose matmuls stay bf16 where the others multiply integers.
  private var kept: String {
    let kept = run.settings.precision.keptInBF16
    return kept.isEmpty ? "" : " (bf16 for \(MatrixKinds(kept)))"
  }

  /// Number of matmuls that each back-end computes.
  private var backends: String {
    let counts = ProductBackend.allCases.compactMap { backend -> String? in
      let count = products.filter { $0.variant.backend == backend }.count
      return count > 0 ? "\(backend.rawValue) \(count)" : nil
    }
    return counts.isEmpty ? "" : "\nback-ends: \(counts.joined(separator: ", "))"
  }

  /// Time of the measurements before the first step; empty if there are none.
  private var measuring: String {
    run.decision.measuringSteps == 0
      ? ""
      : "\nmeasuring before that: at most \(Format.duration(seconds.measuring(run.decision)))"
  }

  /// Time of a step after the first epoch, when the caches are full; empty without caches.
  private var later: String {
    run.prefixCaches.byteCount == 0
      ? "" : ", \(formatted(seconds.laterStep, decimals: 3)) s after the first epoch"
  }
}

extension ActivationAccount.Part {
  /// The heading of its column.
  fileprivate var words: String {
    switch self {
    case .residual: "residual"
    case .norms: "norms"
    case .attention: "attention"
    case .mlp: "gate, up"
    case .trainedInputs: "trained inputs"
    case .branches: "branches"
    case .head: "head"
    }
  }
}
