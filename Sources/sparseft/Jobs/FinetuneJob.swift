import Checkpoints
import Execution
import Recipes
import Reports
import Storage
import Tensors
import Training
import Weights

/// One training run from a prepared recipe to its summary.
struct FinetuneJob {
  let run: PreparedRun
  let reporter: RunReporter

  init(_ run: PreparedRun, resuming: Bool, json: Bool) throws {
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
    for warning in run.warnings { try reporter.handle(.warning(warning)) }
    try sample(step: 0, delta: nil)
    let store = store
    let summary = try trainSession(store, resuming: resuming)
    let best = store.deltaPath("best")
    if summary.reason != "interrupted", Folder.exists(best) {
      try sample(step: summary.steps, delta: best)
    }
    try reporter.handle(.done(summary))
    try AtomicFile.write(
      Array((RunEvent.done(summary).json.encoded(.pretty) + "\n").utf8),
      to: run.recipe.output.absolute + "/summary.json")
    return summary
  }

  private var store: SnapshotStore {
    let json = run.recipe.resolvedJSON
    return SnapshotStore(
      folder: run.recipe.output.absolute, method: json["method"] ?? .null, recipe: json)
  }

  /// The session lives here only, so that its arena is gone before the next sample.
  private func trainSession(_ store: SnapshotStore, resuming: Bool) throws -> RunSummary {
    let session = try Session(
      run.step, weights: run.weights, pool: run.pool, kernels: run.kernels,
      seed: run.settings.seed)
    let reporter = reporter
    let trainer = Trainer(
      session, settings: run.settings, text: run.corpus.train,
      validationText: run.corpus.validation, store: store, plannedBytes: run.forecast.total,
      observe: { event throws(TrainingError) in
        do throws(ReportError) { try reporter.handle(event) } catch { throw .observer(error) }
      }, shouldStop: { Interruption.isRequested })
    return try trainer.run(resuming: resuming)
  }

  private func sample(step: Int, delta path: String?) throws {
    guard let sample = run.recipe.run.sample else { return }
    let deltas = try path.map { [(delta: try Delta.open($0), scale: 1.0)] } ?? []
    let text = try TextSampler(
      weights: try ModelWeights(run.weights.checkpoint, deltas: deltas),
      tokenizer: run.tokenizer, pool: run.pool, kernels: run.kernels
    ).text(
      after: sample.prompt, maxTokens: sample.maxTokens, temperature: sample.temperature,
      topP: sample.topP, seed: run.settings.seed)
    run.weights.checkpoint.releasePages()
    try reporter.handle(.sample(step: step, prompt: sample.prompt, text: text))
  }

  private var description: RunDescription {
    let types = Set(run.weights.checkpoint.tensors.filter { $0.shape.rank == 2 }.map(\.elementType))
    return RunDescription(
      model: run.recipe.model.absolute, method: run.recipe.method.method.type.rawValue,
      label: run.recipe.method.displayLabel, choice: run.choice,
      trainableParameters: run.step.trainableParameters,
      totalParameters: run.step.totalParameters, steps: run.settings.steps,
      threads: run.pool.threads, instructionSet: run.kernels.instructionSet,
      precision: types.map(\.rawValue).sorted().joined(separator: "+") + " weights, f32 arithmetic",
      version: Version.text, learningRate: run.settings.schedule.peak)
  }
}
