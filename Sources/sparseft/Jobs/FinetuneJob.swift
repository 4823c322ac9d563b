import Checkpoints
import Execution
import Recipes
import Records
import Reports
import Storage
import Tensors
import Training
import Weights

/// One training run from a planned run to its summary.
struct FinetuneJob {
  let run: PlannedRun
  let reporter: RunReporter

  init(_ run: PlannedRun, resuming: Bool, json: Bool) throws {
    if let available = ProcessMemory.availableBytes, run.forecast.arena > available {
      throw TrainingError.doesNotFit(planned: run.forecast.total, available: available)
    }
    self.run = run
    let folder = run.recipe.output.absolute
    try Folder.create(folder)
    try AtomicFile.write(
      Array((run.recipe.resolvedJSON.encoded(.pretty) + "\n").utf8),
      to: folder + "/recipe.resolved.json")
    reporter = try RunReporter(
      path: folder + "/events.jsonl", resuming: resuming, mirrorsToOutput: json)
  }

  /// Trains, with a sample before and after if the recipe asks for one.
  func train(resuming: Bool) throws -> RunSummary {
    try reporter.handle(.start(description))
    try reporter.handle(
      .plan(
        run.forecast, flopsPerToken: run.flopsPerToken, fullFlopsPerToken: run.fullFlopsPerToken))
    if let analysis = run.decision.analysis { try reporter.handle(.analysis(analysis)) }
    for warning in run.prepared.warnings { try reporter.handle(.warning(warning)) }
    try sample(step: 0, delta: nil)
    let store = run.store
    if !resuming { try store.setAside() }
    let probe = resuming ? nil : run.decision.continuation
    if let probe { try store.takeOver(probe.store) }
    run.prepared.removeCandidates()
    let summary = try trainSession(
      store, resuming: resuming || probe != nil, earlier: probe?.reports ?? [])
    let best = store.deltaPath(.best)
    if summary.reason != .interrupted, Folder.exists(best) {
      try sample(step: summary.steps, delta: best)
    }
    try reporter.handle(.done(summary))
    try summary.write(to: run.recipe.output.absolute + "/summary.json")
    return summary
  }

  /// The session lives here only, so that its arena is gone before the next sample.
  ///
  /// - Parameter earlier: the steps of the probe that the run goes on from.
  private func trainSession(
    _ store: SnapshotStore, resuming: Bool, earlier: [StepReport]
  ) throws -> RunSummary {
    let session = try run.makeSession()
    let store = run.remembering(run.prepared.kernels.tuner, in: store)
    let kept = run.makePrefixCaches()
    session.prefixCaches = kept.caches
    if let warning = kept.warning { try reporter.handle(.warning(warning)) }
    let reporter = reporter
    let corpus = run.prepared.corpus
    let trainer = Trainer(
      session, settings: run.settings, text: corpus.train,
      validationText: corpus.validation, store: store, plannedBytes: run.forecast.total,
      initialValidationLoss: run.decision.initialValidationLoss, earlier: earlier,
      observe: { event throws(TrainingError) in
        do throws(ReportError) { try reporter.handle(event) } catch { throw .observer(error) }
      }, shouldStop: { Interruption.isRequested })
    return try trainer.run(resuming: resuming)
  }

  private func sample(step: Int, delta path: String?) throws {
    guard let sample = run.recipe.run.sample else { return }
    let deltas = try path.map { [(delta: try Delta.open($0), scale: 1.0)] } ?? []
    let text = try TextSampler(
      weights: try ModelWeights(run.prepared.weights.checkpoint, deltas: deltas),
      tokenizer: run.prepared.tokenizer, pool: run.prepared.pool,
      kernels: run.prepared.kernels.untuned  // as `generate` does
    ).text(
      after: sample.prompt, maxTokens: sample.maxTokens, temperature: sample.temperature,
      topP: sample.topP, seed: run.settings.seed)
    run.prepared.weights.checkpoint.releasePages()
    try reporter.handle(.sample(step: step, prompt: sample.prompt, text: text))
  }

  private var description: RunDescription {
    let matrices = run.prepared.weights.checkpoint.tensors.filter { $0.shape.rank == 2 }
    let types = Set(matrices.map(\.elementType))
    return RunDescription(
      model: run.recipe.model.absolute, method: run.recipe.method.method.type.rawValue,
      label: run.recipe.method.displayLabel, choice: run.decision.choice,
      trainableParameters: run.step.trainableParameters,
      totalParameters: run.step.totalParameters, steps: run.settings.steps,
      threads: run.prepared.pool.threads, instructionSet: run.prepared.kernels.instructionSet,
      precision: types.map(\.rawValue).sorted().joined(separator: "+")
        + " weights, \(run.settings.precision.rawValue) arithmetic",
      version: Version.text, learningRate: run.settings.schedule.peak,
      frozenBlocks: run.step.frozenBlocks, prefixCacheBytes: run.prefixCaches.byteCount,
      analysisSeconds: run.decision.analysisSeconds)
  }
}
