import Datasets
import Execution
import Programs
import Records
import Storage
import Tensors
import Training

/// Planned memory and time of a run: bytes are those of the compiled step, time comes from running
/// it a few times on the first windows with a learning rate of zero.
public struct PlanReport {
  public let run: PlannedRun
  public let seconds: PlannedSeconds
  public let rates: PlannedRates
  /// The measures that lower the peak of memory to the planned one.
  public let waterfall: MemoryWaterfall
  /// What the step keeps for its backward pass, beside what other methods would.
  public let activations: ActivationComparison
  /// The variant of each of the step's matmuls.
  public let products: [ProductDecision]

  /// Measures a planned run.
  /// - Throws: what compiling and starting its step throws.
  public init(_ run: PlannedRun) throws {
    self.run = run
    let prepared = run.prepared
    let session = try run.makeSession()
    products = prepared.kernels.tuner?.decisions(in: session.programs) ?? []
    seconds = PlannedSeconds(
      Self.measure(session, run), settings: run.settings, corpus: prepared.corpus)
    rates = try PlannedRates(run, seconds)
    activations = try ActivationComparison(run)
    waterfall = try MemoryWaterfall(
      prepared.compiler, adaptation: run.decision.adaptation, recomputed: run.step.recomputed,
      threads: prepared.pool.threads, runtimeBytes: run.forecast.runtime)
  }

  /// Seconds of a step and of a pass over the validation text: for windows used for the first time,
  /// and for windows whose frozen blocks' outputs a cache holds.
  private static func measure(
    _ session: Session, _ run: PlannedRun
  ) -> [(step: Double, pass: Double)] {
    let probe = StepProbe(session, settings: run.settings, text: run.prepared.corpus.train)
    func probed() -> (step: Double, pass: Double) {
      (
        probe.secondsPerStep(),
        [run.prepared.corpus.validation, run.prepared.guardCorpus?.train].compactMap(\.self)
          .reduce(0) { $0 + probe.secondsPerValidation(of: $1) }
      )
    }
    let first = probed()
    session.prefixCaches = run.makePrefixCaches().caches
    return [first, session.prefixCaches.isEmpty ? first : probed()]
  }

  /// As `plan --json` prints it.
  public var json: JSONValue {
    var object = figures
    for (key, value) in run.prepared.textAmounts.members { object[key] = value }
    return .object(object)
  }

  private var figures: JSONObject {
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
      "precision": .string(run.settings.precision.base.rawValue),
      "kept_in_bf16": .array(run.settings.precision.keptInBF16.sorted().map { .string($0) }),
      "precision_choice": run.prepared.precision.record?.json ?? .null,
      "peak_flops": .number(rates.peak), "share_of_peak": .number(rates.share),
      "waterfall": .array(
        waterfall.measures.map { ["measure": .string($0.label), "bytes": .int($0.bytes)] }),
      "kept_activations": activations.json,
      "products": .array(products.map(\.record.json)),
      "choice": run.decision.choice.map { .string($0) } ?? .null,
    ]
  }
}

extension PlannedRun {
  /// The variant of each of the step's matmuls, timed where it is not known yet.
  /// - Throws: what starting the step throws.
  public func productDecisions() throws -> [ProductDecision] {
    prepared.kernels.tuner?.decisions(in: try makeSession().programs) ?? []
  }

  /// What quantising the inputs of each matrix's matmuls would cost the loss.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop, and what starting the scan throws.
  public func quantisationCosts() throws -> [QuantisationCost] {
    try ProductSelection(
      prepared.weights, shape: settings.shape, text: prepared.corpus.train, pool: prepared.pool,
      kernels: prepared.kernels, shouldStop: prepared.shouldStop
    ).costs()
  }

  /// The time of each kernel in one step.
  /// - Throws: what starting the step throws.
  public func profile() throws -> [KernelProfile] {
    StepProbe(try makeSession(), settings: settings, text: prepared.corpus.train).profile()
  }
}
