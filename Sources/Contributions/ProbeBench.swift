import Adaptations
import Datasets
import Execution
import Records
import Storage
import Tensors
import Training
import Weights

/// The result of one short training run.
public struct ProbeResult: Sendable {
  /// Mean loss of each held-out window, in nats per token; infinite if the run diverged.
  public var windowLosses: [Double]
  /// The windows' weights; empty where all weigh the same.
  public var weights: [Double]
  /// Steps trained since the base, those of an earlier round included.
  public var steps: Int
  /// Seconds of training and scoring.
  public var seconds: Double
  /// The reports of its steps, for the event stream of the run that continues from it.
  public var reports: [StepReport]

  public init(
    windowLosses: [Double], weights: [Double] = [], steps: Int, seconds: Double,
    reports: [StepReport] = []
  ) {
    self.windowLosses = windowLosses
    self.weights = weights
    self.steps = steps
    self.seconds = seconds
    self.reports = reports
  }

  /// Mean over the held-out windows' scored targets, in nats.
  public var loss: Double { meanLoss(windowLosses, weights: weights) }
}

/// One probe: what trains, at which rate, for how many steps.
public struct Probe {
  public var adaptation: any Adaptation
  public var schedule: LearningRateSchedule
  public var steps: Int
  /// Another order of the windows it trains on; nil for the run's own.
  public var reordering: BatchOrder.Reordering?
  /// The store of its state, for a run that continues from it; nil where nothing is saved.
  public var store: SnapshotStore?
  /// Whether to go on from the store's last state.
  public var resuming = false
  /// Cool-down steps after those, at a rate that falls to nothing, for the score only: the store
  /// keeps the state before them. A loss in the middle of a run is mostly noise of its high rate.
  public var coolDown = 0

  public init(
    _ adaptation: any Adaptation, schedule: LearningRateSchedule, steps: Int,
    reordering: BatchOrder.Reordering? = nil, store: SnapshotStore? = nil, resuming: Bool = false,
    coolDown: Int = 0
  ) {
    self.adaptation = adaptation
    self.schedule = schedule
    self.steps = steps
    self.reordering = reordering
    self.store = store
    self.resuming = resuming
    self.coolDown = coolDown
  }

  /// The schedule of the cool-down: linear from the last step's rate to nothing.
  fileprivate var coolingSchedule: LearningRateSchedule {
    LearningRateSchedule(
      curve: .linear, peak: schedule.rate(step: steps), warmupSteps: steps, finalRatio: 0.05,
      totalSteps: steps + coolDown)
  }
}

/// Runs short trainings on the same batches in the same order, scored on the same held-out windows.
///
/// A probe's session owns copies of the tensors that it trains and the checkpoint is mapped
/// read-only, so the base model is unchanged, bit for bit, after the session. Probes that stop
/// their backward pass at the same block share the frozen blocks' outputs.
public final class ProbeBench {
  public let compiler: StepCompiler
  public let heldOut: HeldOutWindows
  private let weights: ModelWeights
  private let text: TokenStream
  private let pool: WorkerPool
  private let kernels: Kernels
  private let prefixes: SharedPrefixes
  private let shouldStop: () -> Bool
  /// The whole validation text's loss before training, for runs that continue from a probe.
  public var initialValidationLoss: Double?
  /// Bytes of arena and mapped weights of the largest step so far.
  public private(set) var largestStep = 0
  /// Probes trained so far.
  public private(set) var probes = 0

  public init(
    _ compiler: StepCompiler, weights: ModelWeights, text: TokenStream, heldOut: HeldOutWindows,
    pool: WorkerPool, kernels: Kernels, prefixes: SharedPrefixes,
    shouldStop: @escaping () -> Bool
  ) {
    self.compiler = compiler
    self.weights = weights
    self.text = text
    self.heldOut = heldOut
    self.pool = pool
    self.kernels = kernels
    self.prefixes = prefixes
    self.shouldStop = shouldStop
  }

  /// - Throws: `TrainingError.interrupted` if it was asked to stop; errors of the run except
  ///   divergence, which counts as an infinite loss.
  public func run(_ probe: Probe) throws(TrainingError) -> ProbeResult {
    let start = ContinuousClock.now
    let step = try compiler.compile(probe.adaptation)
    largestStep = max(largestStep, MemoryForecast.bytes(of: step, threads: pool.threads))
    ProcessMemory.trim()
    let session = try Session(
      step, weights: weights, pool: pool, kernels: kernels, seed: compiler.settings.seed,
      prefixCaches: prefixes.caches(for: step))
    var result = try train(session, probe)
    if result.windowLosses.isEmpty { result.windowLosses = try score(session) }
    result.seconds = (ContinuousClock.now - start).seconds
    probes += 1
    return result
  }

  private func train(
    _ session: Session, _ probe: Probe
  ) throws(TrainingError) -> ProbeResult {
    var reports: [StepReport] = []
    func trainer(steps: Int, _ schedule: LearningRateSchedule, saving: Trainer.Saving) -> Trainer {
      var settings = compiler.settings
      settings.steps = steps
      settings.schedule = schedule
      settings.reordering = probe.reordering
      if initialValidationLoss == nil { settings.validateEvery = 0 }
      return Trainer(
        session, settings: settings, text: text, validationText: nil, store: probe.store,
        plannedBytes: 0, saving: saving, initialValidationLoss: initialValidationLoss,
        observe: { event throws(TrainingError) in
          if saving == .states, case .step(let report) = event { reports.append(report) }
        }, shouldStop: shouldStop)
    }
    do throws(TrainingError) {
      let trained = trainer(steps: probe.steps, probe.schedule, saving: .states)
      var summary = try trained.run(resuming: probe.resuming)
      if probe.coolDown > 0, summary.reason != .interrupted {
        summary = try trainer(
          steps: probe.steps + probe.coolDown, probe.coolingSchedule, saving: .nothing
        ).run(following: trained)
      }
      if summary.reason == .interrupted { throw .interrupted }
    } catch {
      guard case .diverged = error else { throw error }
      let losses = Array(repeating: Double.infinity, count: heldOut.windows.count)
      return ProbeResult(
        windowLosses: losses, weights: heldOut.weights, steps: probe.steps, seconds: 0,
        reports: [])
    }
    return ProbeResult(
      windowLosses: [], weights: heldOut.weights, steps: probe.steps, seconds: 0, reports: reports)
  }

  /// The held-out windows' losses under the session's parameters.
  private func score(_ session: Session) throws(TrainingError) -> [Double] {
    let evaluator = Evaluator(session, text: heldOut.text)
    guard let losses = evaluator.windowLosses(heldOut.windows, unless: shouldStop) else {
      throw .interrupted
    }
    return losses
  }

  /// The held-out windows' mean loss under the base model.
  public func baseLoss() throws(TrainingError) -> Double {
    meanLoss(try score(baseSession()), weights: heldOut.weights)
  }

  /// A whole text's mean loss under the base model.
  public func baseLoss(of text: TokenStream) throws(TrainingError) -> Double {
    guard let loss = Evaluator(try baseSession(), text: text).meanLoss(unless: shouldStop) else {
      throw .interrupted
    }
    return loss
  }

  private func baseSession() throws(TrainingError) -> Session {
    try Session(
      try compiler.compile(NoAdaptation()), weights: weights, pool: pool, kernels: kernels, seed: 0)
  }
}
