import Execution
import Pages
import Records
import Reports
import Storage
import Training

/// One training run from a planned run to its summary, with the files that it writes to its folder:
/// `recipe.resolved.json`, `events.jsonl`, snapshots, `summary.json`, `report.html`.
public struct TrainingRun {
  /// Called with each event once the run's event file contains it.
  public typealias Observer = (RunEvent) throws(ReportError) -> Void

  private let run: PlannedRun
  private let folder: RunFolder
  private let resuming: Bool
  /// What became of the run that was in the folder.
  private let notice: String?
  private let events: EventWriter
  /// Nil unless the recipe asks for TensorBoard's files.
  private let board: TensorBoardWriter?
  private let observer: Observer

  /// Makes room in the run's folder and starts its event file; nothing is computed yet.
  ///
  /// - Parameters:
  ///   - folder: the recipe's output folder.
  ///   - resuming: go on from the folder's last state. The decision must be that state's.
  ///   - observe: called with each event as it happens; an error that it throws ends the run.
  /// - Throws: `TrainingError.resumeMismatch` for another run's state, before the folder is changed;
  ///   `TrainingError.doesNotFit` where this machine has less memory free than the arena
  ///   takes; `StorageError` and `ReportError` if the folder can't be written.
  public init(
    _ run: PlannedRun, in folder: RunFolder, resuming: Bool = false,
    observe: @escaping Observer = { _ in }
  ) throws {
    if let available = SystemMemory.availableBytes, run.forecast.arena > available {
      throw TrainingError.doesNotFit(planned: run.forecast.total, available: available)
    }
    self.run = run
    self.folder = folder
    self.resuming = resuming
    observer = observe
    if resuming, let saved = run.prepared.saved {
      let weights = run.prepared.weights
      try run.store.check(
        saved, base: weights.checkpoint.contentHash, deltas: weights.deltaHashes)
    }
    notice = resuming ? nil : try folder.makeRoom()
    try AtomicFile.write(
      Array((run.recipe.resolvedJSON.encoded(.pretty) + "\n").utf8),
      to: folder.path + "/recipe.resolved.json")
    // Steps after the saved one are taken, and told, again.
    let known = run.store.pendingReports.isEmpty ? run.prepared.saved?.step ?? 0 : 0
    events = try EventWriter(
      path: folder.path + "/events.jsonl", resuming: resuming,
      keeping: { line in RunEvent(line)?.step.map { $0 <= known } ?? true })
    board =
      try run.recipe.run.tensorBoard
      ? Self.board(in: folder.path, resumedAt: resuming ? known : nil) : nil
  }

  /// Trains, and generates a sample before and after if the recipe asks for one.
  ///
  /// - Throws: what the trainer and the observer throw.
  public func train() throws -> RunSummary {
    try announce()
    try sample(step: 0, delta: nil)
    let store = run.store
    let probe = resuming ? nil : run.decision.continuation
    if let probe { try store.takeOver(probe.store, reports: probe.reports) }
    run.prepared.candidatesFolder.remove()
    let summary = try trainSession(
      store, resuming: resuming || probe != nil,
      earlier: probe?.reports ?? (resuming ? store.pendingReports : []))
    let best = store.deltaPath(.best)
    if summary.reason != .interrupted, Folder.exists(best) {
      try sample(step: summary.steps, delta: best)
    }
    try tell(.done(summary))
    try summary.write(to: folder.path + "/summary.json")
    try RunPage.write(in: folder.path)
    return summary
  }
}

extension TrainingRun {
  private static func board(in path: String, resumedAt step: Int?) throws -> TensorBoardWriter {
    let folder = "\(path)/\(TensorBoardWriter.folderName)"
    try Folder.create(folder)
    return try TensorBoardWriter(folder: folder, resumedAt: step)
  }

  private func tell(_ event: RunEvent) throws(ReportError) {
    try events.write(event.json)
    try board?.add(event)
    try observer(event)
  }

  /// Writes the events that are known before the first step.
  private func announce() throws {
    try tell(.start(run.description))
    try tell(
      .plan(
        run.forecast, flopsPerToken: run.flopsPerToken, fullFlopsPerToken: run.fullFlopsPerToken))
    try tell(.memory(MemorySchedule(run.step.training.program)))
    if let notice { try tell(.warning(notice)) }
    if let analysis = run.decision.analysis { try tell(.analysis(analysis)) }
    for warning in run.prepared.warnings { try tell(.warning(warning)) }
  }

  /// Trains a session, which is local so that its arena is freed before the next sample.
  ///
  /// - Parameter earlier: the steps of the probe that the run continues from.
  private func trainSession(
    _ store: SnapshotStore, resuming: Bool, earlier: [StepReport]
  ) throws -> RunSummary {
    let session = try run.makeSession()
    let store = run.remembering(run.prepared.kernels.tuner, in: store)
    let kept = run.makePrefixCaches()
    session.prefixCaches = kept.caches
    if let warning = kept.warning { try tell(.warning(warning)) }
    let corpus = run.prepared.corpus
    let trainer = Trainer(
      session, settings: run.settings, text: corpus.train,
      validationText: corpus.validation, lossGuard: run.prepared.lossGuard, store: store,
      plannedBytes: run.forecast.total,
      initialValidationLoss: run.decision.initialValidationLoss, earlier: earlier,
      meter: EnergyMeter(),
      hasOtherValidation: run.prepared.changes?.hasOtherValidation ?? false,
      hasOtherGuard: run.prepared.changes?.hasOtherGuard ?? false,
      observe: { event throws(TrainingError) in
        do throws(ReportError) { try tell(event) } catch { throw .observer(error) }
      }, shouldStop: run.prepared.shouldStop)
    let summary = try trainer.run(resuming: resuming)
    if summary.reason != .interrupted {
      let probe = StepProbe(session, settings: run.settings, text: corpus.train)
      try tell(.profile(KernelTimes(probe.profileOnce())))
    }
    return summary
  }

  private func sample(step: Int, delta path: String?) throws {
    guard let sample = run.recipe.run.sample else { return }
    let prepared = run.prepared
    let sampler = TextSampler(try LoadedModel(prepared, delta: path))
    let text = try sampler.text(
      after: sample.prompt, maxTokens: sample.maxTokens, temperature: sample.temperature,
      topP: sample.topP, seed: run.settings.seed, shouldStop: prepared.shouldStop)
    prepared.weights.checkpoint.releasePages()
    try tell(.sample(step: step, prompt: sample.prompt, text: text))
  }
}

extension PreparedRun {
  /// The recipe's guard with its text.
  var lossGuard: LossGuard? {
    guard let guarded = recipe.lossGuard, let text = guardCorpus?.train else { return nil }
    return LossGuard(text: text, maxIncrease: guarded.maxLossIncrease)
  }
}

extension PlannedRun {
  /// The run's description in its first event.
  public var description: RunDescription {
    let matrices = prepared.weights.checkpoint.tensors.filter { $0.shape.rank == 2 }
    let types = Set(matrices.map(\.elementType))
    return RunDescription(
      model: recipe.model.absolute, method: recipe.method.method.type,
      label: recipe.method.displayLabel, choice: decision.choice,
      trainableParameters: step.trainableParameters,
      totalParameters: step.totalParameters, steps: settings.steps,
      threads: prepared.pool.threads, instructionSet: prepared.kernels.instructionSet,
      precision: types.map(\.rawValue).sorted().joined(separator: "+")
        + " weights, \(settings.precision.summary("arithmetic"))",
      version: Version.text, learningRate: settings.schedule.peak,
      frozenBlocks: step.frozenBlocks, prefixCacheBytes: prefixCaches.byteCount,
      analysisSeconds: decision.analysisSeconds, rows: prepared.rowLine, text: prepared.textAmounts,
      machine: .current)
  }
}
