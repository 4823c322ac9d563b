import Adaptations
import Contributions
import Execution
import Recipes
import Records
import Storage
import Tensors
import Training

/// What trains and at which learning rate, and how both were decided.
public struct MethodDecision {
  public var adaptation: any Adaptation
  public var learningRate: Double
  /// The method as a recipe spells it, where the run's recipe leaves it open and no update scheme
  /// was chosen.
  public var method: JSONValue?
  /// How tensors or rate were chosen where the recipe leaves them open, one sentence per line.
  public var explanation: [String] = []
  /// The measurements, for the event of the same name.
  public var analysis: Records.Measurement?
  /// The probe that the run continues from.
  public var continuation: Continuation?
  /// Seconds of measuring, even if an earlier run did it; 0 where nothing was measured.
  public var analysisSeconds = 0.0
  /// The validation text's loss before training, if it was measured.
  public var initialValidationLoss: Double?
  /// Upper bound of the measuring before the first step, in steps of the run; 0 where nothing is
  /// left to be measured.
  public var measuringSteps = 0.0
  /// Bytes of arena and mapped weights of the largest probe; 0 for none.
  public var measuringBytes = 0

  /// The winning probe: its state on disk and its step reports.
  public struct Continuation {
    public var store: SnapshotStore
    public var reports: [StepReport]
  }

  /// Decides, measuring where the recipe says "auto" and nothing is known from an earlier run.
  ///
  /// - Parameter observe: called with the progress of probes.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop.
  public init(
    _ run: PreparedRun, observe: @escaping (AnalysisProgress) -> Void = { _ in }
  ) throws {
    self = try run.method.decision(in: run, EarlierMeasurements(run), observe: observe)
  }

  /// The decision of an earlier run in the folder, for resuming it: whatever the recipe leaves open
  /// is taken from the last state.
  ///
  /// - Throws: `TrainingError.nothingToResume` without a last state.
  public init(resuming run: PreparedRun) throws {
    let saved = try (run.saved ?? run.store(in: run.recipe.output.absolute).saved()).decision
    run.kernels.tuner?.adopt((saved?.products ?? []).compactMap { ProductDecision($0) })
    let choice = try run.method.choice(in: run, resuming: saved)
    guard let rate = run.fixedRate ?? saved?.learningRate else {
      throw TrainingError.resumeMismatch(
        path: run.recipe.output.absolute, field: "learning rate", found: "missing",
        expected: "auto")
    }
    self.init(choice, learningRate: rate)
  }

  /// Decides without training anything: takes an earlier run's measurements if there are any, else
  /// the choice for runs without probes, at a learning rate of 0.
  public init(unmeasured run: PreparedRun) throws {
    self = try run.method.unmeasuredDecision(in: run, EarlierMeasurements(run))
  }

  /// The explanation as one text; nil where there is nothing to explain.
  public var choice: String? {
    explanation.isEmpty ? nil : explanation.joined(separator: "\n  ")
  }

  init(_ choice: MethodChoice, learningRate: Double) {
    adaptation = choice.adaptation
    method = choice.recipe
    explanation = choice.explanation.map { [$0] } ?? []
    self.learningRate = learningRate
  }
}

// Where only the learning rate may be left open.
extension MethodDecision {
  /// The choice at the recipe's rate, an earlier run's, or one that is measured now.
  init(
    _ choice: MethodChoice, in run: PreparedRun, _ record: EarlierMeasurements,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws {
    self.init(choice, learningRate: 0)
    if let rate = run.fixedRate {
      learningRate = rate
    } else if let known = record.knownRate() {
      (learningRate, analysisSeconds) = known
    } else {
      try measureRate(run, record, observe)
    }
  }

  /// The choice at the recipe's rate or an earlier run's, else with what measuring it would take.
  init(unmeasured choice: MethodChoice, in run: PreparedRun, _ record: EarlierMeasurements) {
    self.init(choice, learningRate: 0)
    if let rate = run.fixedRate ?? record.knownRate()?.rate {
      learningRate = rate
      return
    }
    measuringSteps =
      MethodCalibration.Plan(
        run.settings, share: run.recipe.analysis.share, text: run.corpus.train,
        validation: run.corpus.validation)?.price ?? 0
  }

  private mutating func measureRate(
    _ run: PreparedRun, _ record: EarlierMeasurements,
    _ observe: @escaping (AnalysisProgress) -> Void
  ) throws {
    let found = try MethodCalibration(
      adaptation, compiler: run.compiler, share: run.recipe.analysis.share, weights: run.weights,
      text: run.corpus.train, validation: run.corpus.validation, pool: run.pool,
      kernels: run.kernels, prefixFolder: run.cacheFolder,
      prefixBytes: run.prefixCacheLimit, observe: observe,
      shouldStop: run.shouldStop)
    let calibration = CalibrationRecord(
      key: record.key, learningRate: found.rate, calibration: found.calibration?.record ?? [],
      seconds: found.seconds)
    try record.write(calibration, to: EarlierMeasurements.rate)
    learningRate = found.rate
    analysis = .learningRate(calibration)
    analysisSeconds = found.seconds
  }
}

extension MethodDecision {
  /// What a run saves of its decision.
  var record: RunDecision {
    RunDecision(
      scheme: adaptation.trainedShares, method: method, learningRate: learningRate)
  }
}

extension PreparedRun {
  /// The rate that the recipe fixes: the method's own, or the optimizer's; nil for "auto".
  var fixedRate: Double? {
    if case .fixed(let rate) = recipe.method.learningRate ?? recipe.optimizer.learningRate {
      return rate
    }
    return nil
  }
}
