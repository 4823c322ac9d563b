import ArgumentParser
import Datasets
import Execution
import Programs
import Reports
import Storage
import Tensors
import Training

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Says what a run will take, in bytes and time, without training.",
    discussion: """
      Bytes are those of the compiled step; time comes from running it a few times on the first \
      windows, with a learning rate of zero.
      """)

  @OptionGroup var arguments: RecipeArguments

  @Flag(help: "Print the graph after every stage of the compiler, and the program.")
  var stages = false

  @Flag(help: "Time each kernel of one step.")
  var profile = false

  @Flag(help: "Print how each product is computed, and what each way took.")
  var products = false

  func run() throws {
    let prepared = try PreparedRun(recipe: arguments.recipe, overrides: arguments.overrides)
    let run = try PlannedRun(
      prepared, try MethodDecision(unmeasured: prepared), keepsStages: stages)
    if stages {
      for stage in run.step.training.stages { Output.print("== \(stage.name)\n\(stage.text)\n") }
      return
    }
    let session = try run.makeSession()
    if profile {
      let probe = StepProbe(session, settings: run.settings, text: prepared.corpus.train)
      Output.print(KernelTable(probe.profile()).text)
      return
    }
    let decisions = run.step.decisions(of: prepared.products.tuner)
    if products {
      Output.print(ProductTable(decisions: decisions).text)
      return
    }
    let seconds = Seconds(measure(session, run), settings: run.settings, corpus: prepared.corpus)
    let rates = try Rates(run, seconds)
    let waterfall = try MemoryWaterfall(
      prepared.compiler, adaptation: run.decision.adaptation, recomputed: run.step.recomputed,
      threads: prepared.pool.threads, runtimeBytes: run.forecast.runtime)
    if arguments.json {
      Output.print(json(run, seconds, rates, waterfall))
    } else {
      show(run, seconds, rates, waterfall)
    }
  }

  /// Seconds of a step and of a pass over the validation text: when windows come for the first
  /// time, and when a cache has what the frozen blocks make of them.
  private func measure(_ session: Session, _ run: PlannedRun) -> [(step: Double, pass: Double)] {
    let probe = StepProbe(session, settings: run.settings, text: run.prepared.corpus.train)
    func probed() -> (step: Double, pass: Double) {
      (
        probe.secondsPerStep(),
        run.prepared.corpus.validation.map { probe.secondsPerValidation(of: $0) } ?? 0
      )
    }
    let first = probed()
    session.prefixCaches = run.makePrefixCaches().caches
    return [first, session.prefixCaches.isEmpty ? first : probed()]
  }

  /// Measured seconds, and what they make of the whole run.
  private struct Seconds {
    var step: Double
    var laterStep: Double
    /// A pass over the validation text.
    var validation: Double
    var laterValidation: Double
    var settings: TrainingSettings
    /// Steps of the first epoch.
    var firstSteps: Int

    /// - Parameter measured: of a first epoch and of later ones.
    init(
      _ measured: [(step: Double, pass: Double)], settings: TrainingSettings, corpus: Corpus
    ) {
      (step, validation) = measured[0]
      (laterStep, laterValidation) = measured[1]
      self.settings = settings
      firstSteps = settings.firstEpochSteps(
        windows: corpus.train.windowCount(
          sequenceLength: settings.shape.tokens, includePartial: false))
    }

    /// Seconds of what is measured before the first step, at most.
    func measuring(_ decision: MethodDecision) -> Double { decision.measuringSteps * step }

    /// Seconds of the run, without what is measured before it.
    var total: Double {
      step * Double(firstSteps) + laterStep * Double(settings.steps - firstSteps) + validation
        + laterValidation * Double(settings.validations - 1)
    }
    var tokensPerSecond: Double { Double(settings.shape.tokensPerStep) / max(step, 1e-9) }
  }

  private func json(
    _ run: PlannedRun, _ seconds: Seconds, _ rates: Rates, _ waterfall: MemoryWaterfall
  ) -> JSONValue {
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
      "products": .array(run.step.decisions(of: run.prepared.products.tuner).map(\.json)),
      "choice": run.decision.choice.map { .string($0) } ?? .null,
    ]
  }

  /// What this CPU can do, and what of it a step uses.
  private struct Rates {
    /// The step's operations a second if each product ran at the peak of what it multiplies.
    var peak: Double
    /// What a step reaches, as a share of that.
    var share: Double

    init(_ run: PlannedRun, _ seconds: Seconds) throws {
      let programs = [run.step.training.program] + (run.step.prefix.map { [$0.program] } ?? [])
      let (kernels, pool) = (run.prepared.kernels, run.prepared.pool)
      let floor =
        try kernels.secondsAtPeak(programs, pool) * Double(run.settings.shape.accumulation)
      let flops = run.flopsPerToken * Double(run.settings.shape.tokensPerStep)
      peak = flops / max(1e-9, floor)
      share = floor / max(1e-9, seconds.step)
    }
  }

  private func show(
    _ run: PlannedRun, _ seconds: Seconds, _ rates: Rates, _ waterfall: MemoryWaterfall
  ) {
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
    Output.print("\nwhat brings it there:\n\(table(waterfall).text)")
    Output.print(
      """

      arithmetic: \(Format.count(run.flopsPerToken)) operations per token, \
      \(Format.percent(run.flopsPerToken / max(1, run.fullFlopsPerToken))) of full fine-tuning's
      products: \(run.settings.precision.rawValue), \
      \(Format.percent(rates.share)) of the \(Format.count(rates.peak / 1e9)) G operations/s \
      that dot products of this step's types reach here
      time: \(formatted(seconds.step, decimals: 3)) s per step of \(shape.tokensPerStep) tokens \
      (\(Format.count(seconds.tokensPerSecond)) tokens/s)\(later(run, seconds)), \
      \(formatted(seconds.validation, decimals: 1)) s per validation; \(run.settings.steps) steps \
      with \(run.settings.validations) validations take about \(Format.duration(seconds.total))\(measuring(run, seconds))
      """)
  }

  private func table(_ waterfall: MemoryWaterfall) -> Table {
    var table = Table([.init("measure"), .init("peak", .right), .init("saves", .right)])
    var before: Int?
    for measure in waterfall.measures {
      let saved = before.map { Format.bytes($0 - measure.bytes) } ?? ""
      table.add([measure.label, Format.bytes(measure.bytes), saved])
      before = measure.bytes
    }
    return table
  }

  /// What comes before the first step, if anything does.
  private func measuring(_ run: PlannedRun, _ seconds: Seconds) -> String {
    run.decision.measuringSteps == 0
      ? ""
      : "\nmeasuring before that: at most \(Format.duration(seconds.measuring(run.decision)))"
  }

  /// What a step takes once the caches are full, if there are any.
  private func later(_ run: PlannedRun, _ seconds: Seconds) -> String {
    run.prefixCaches.byteCount == 0
      ? "" : ", \(formatted(seconds.laterStep, decimals: 3)) s after the first epoch"
  }
}

extension CompiledStep {
  /// What was decided about the products of this step.
  fileprivate func decisions(of tuner: ProductTuner) -> [ProductDecision] {
    let products = Set(programs.flatMap(\.calls).compactMap(\.product))
    return tuner.decisions.filter { products.contains($0.product) }
  }
}
