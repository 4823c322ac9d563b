import Tensors

/// How many probes, and of which length, an analysis runs within its price.
///
/// Prices are counted in steps of the reference scheme (last blocks filled to the budget) and
/// depend on the recipe and the text only, not on the machine's speed, so the same recipe always
/// runs the same probes. The frozen prefix that probes share makes them cheaper than their price.
public struct AnalysisPlan: Hashable, Sendable {
  /// Which tensors are probed on top of a trained last block.
  public enum Coverage: Int, Hashable, Sendable, Comparable {
    case none, kinds, depths, all

    public static func < (a: Coverage, b: Coverage) -> Bool { a.rawValue < b.rawValue }
  }

  /// Micro-batches whose gradients set learning rates; 0 for a run without probes whose recipe
  /// fixes the rate.
  public var scannedBatches = 4
  /// The share of the usual held-out windows that scores a probe.
  public var scoredShare = 1.0
  /// Steps of each run of the rate's calibration; 0 for none.
  public var calibrationSteps: Int
  /// The most runs of the rate's calibration.
  public var calibrationRuns = AnalysisPlan.usualCalibrationRuns
  public var coverage: Coverage
  /// Steps of a single contribution's probe.
  public var contributionSteps: Int
  /// The number of candidates that are probed.
  public var candidates: Int
  /// Steps of each candidate's probe, and the number and steps of finalists after the first round.
  public var firstSteps: Int
  public var finalists: Int
  public var finalSteps: Int

  public init(
    calibrationSteps: Int, coverage: Coverage, contributionSteps: Int, candidates: Int,
    firstSteps: Int, finalists: Int, finalSteps: Int
  ) {
    self.calibrationSteps = calibrationSteps
    self.coverage = coverage
    self.contributionSteps = contributionSteps
    self.candidates = candidates
    self.firstSteps = firstSteps
    self.finalists = finalists
    self.finalSteps = finalSteps
  }

  /// No probes; one gradient scan, so that the rule gives a rate.
  package static let minimal: AnalysisPlan = {
    var plan = AnalysisPlan(
      calibrationSteps: 0, coverage: .none, contributionSteps: 0, candidates: 1, firstSteps: 0,
      finalists: 1, finalSteps: 0)
    plan.scannedBatches = 1
    return plan
  }()

  /// A plan for a short run: what would have been most likely chosen against its rivals.
  private static func short(
    candidates: Int, steps: Int, calibrationSteps: Int = 0
  ) -> AnalysisPlan {
    var plan = AnalysisPlan(
      calibrationSteps: calibrationSteps, coverage: .none, contributionSteps: 0,
      candidates: candidates, firstSteps: candidates > 1 ? steps : 0, finalists: 1,
      finalSteps: candidates > 1 ? steps : 0)
    plan.scannedBatches = 1
    plan.calibrationRuns = fewestCalibrationRuns
    plan.scoredShare = 1.0 / 3
    return plan
  }

  /// Plans from the richest down: they reduce the number of probes before their length.
  package static let levels: [AnalysisPlan] = [
    AnalysisPlan(
      calibrationSteps: 20, coverage: .all, contributionSteps: 50, candidates: 12, firstSteps: 20,
      finalists: 3, finalSteps: 50),
    AnalysisPlan(
      calibrationSteps: 20, coverage: .depths, contributionSteps: 50, candidates: 12,
      firstSteps: 20, finalists: 3, finalSteps: 50),
    AnalysisPlan(
      calibrationSteps: 20, coverage: .kinds, contributionSteps: 50, candidates: 12,
      firstSteps: 20, finalists: 3, finalSteps: 50),
    AnalysisPlan(
      calibrationSteps: 20, coverage: .kinds, contributionSteps: 20, candidates: 9, firstSteps: 20,
      finalists: 3, finalSteps: 50),
    AnalysisPlan(
      calibrationSteps: 20, coverage: .none, contributionSteps: 0, candidates: 9, firstSteps: 20,
      finalists: 3, finalSteps: 50),
    AnalysisPlan(
      calibrationSteps: 15, coverage: .none, contributionSteps: 0, candidates: 6, firstSteps: 20,
      finalists: 2, finalSteps: 40),
    AnalysisPlan(
      calibrationSteps: 12, coverage: .none, contributionSteps: 0, candidates: 4, firstSteps: 20,
      finalists: 1, finalSteps: 20),
    AnalysisPlan(
      calibrationSteps: 10, coverage: .none, contributionSteps: 0, candidates: 3, firstSteps: 15,
      finalists: 1, finalSteps: 15),
    short(candidates: 3, steps: 12, calibrationSteps: 8),
    short(candidates: 3, steps: 12), short(candidates: 2, steps: 12),
    short(candidates: 2, steps: 8), short(candidates: 1, steps: 0, calibrationSteps: 8),
  ]
}

extension AnalysisPlan {
  /// Sizes that a plan's price depends on.
  public struct Sizes: Hashable, Sendable {
    /// Steps of the run.
    public var steps: Int
    public var layers: Int
    /// The number of candidates available.
    public var candidates: Int
    /// The cost of scoring the held-out windows once, in steps of the reference scheme.
    public var scoring: Double
    /// The cost of scanning all tensors' gradients for one micro-batch, in steps of the reference
    /// scheme.
    public var scanning: Double
    /// Costs of a candidate's step and of one that trains the lowest block, in steps of the
    /// reference scheme.
    public var candidate: Double
    public var deepest: Double
    /// The most steps that a probe can train so that windows are left to judge it by.
    public var trainableSteps: Int
    /// Whether the learning rate is to be calibrated.
    public var calibrates: Bool
    /// How many learning rates there are to calibrate, if any: whole tensors' and low-rank factors'.
    public var families: Int

    public init(
      steps: Int, layers: Int, candidates: Int, scoring: Double, scanning: Double,
      candidate: Double = 1, deepest: Double = 1, trainableSteps: Int = .max, calibrates: Bool,
      families: Int = 1
    ) {
      self.steps = steps
      self.layers = layers
      self.candidates = candidates
      self.scoring = scoring
      self.scanning = scanning
      self.candidate = candidate
      self.deepest = deepest
      self.trainableSteps = trainableSteps
      self.calibrates = calibrates
      self.families = families
    }
  }

  /// The richest plan whose price is at most a share of the run.
  package static func fitting(_ settings: AnalysisSettings, _ sizes: Sizes) -> AnalysisPlan {
    let allowance = settings.share * Double(sizes.steps)
    if let plan = levels.map({ $0.adapted(to: settings, sizes) })
      .first(where: { $0.price(sizes) <= allowance && $0.isMeaningful(for: sizes) })
    {
      return plan
    }
    return minimal.adapted(to: settings, sizes)
  }

  /// How many learning rates are calibrated: without a choice only that of what trains.
  func calibrations(_ sizes: Sizes) -> Int { firstSteps > 0 ? sizes.families : 1 }

  /// Steps of the longest probe, its cool-down included; 0 without probes.
  var reach: Int { longestProbe == 0 ? 0 : longestProbe + Self.coolDown(longestProbe) }

  var longestProbe: Int { max(calibrationSteps, contributionSteps, finalSteps) }

  /// Whether every probe takes at most half of the run's steps and is long enough to be
  /// informative.
  private func isMeaningful(for sizes: Sizes) -> Bool {
    2 * longestProbe <= sizes.steps && firstSteps <= finalSteps && reach <= sizes.trainableSteps
      && (coverage == .none || contributionSteps >= 20)
  }

  /// The plan without what is switched off, with at most the available candidates, and with long
  /// probes cut to half of the run.
  private func adapted(to settings: AnalysisSettings, _ sizes: Sizes) -> AnalysisPlan {
    var plan = self
    if !settings.measuresContributions { (plan.coverage, plan.contributionSteps) = (.none, 0) }
    if !settings.probesJointly {
      (plan.candidates, plan.firstSteps, plan.finalists, plan.finalSteps) = (1, 0, 1, 0)
    }
    plan.contributionSteps = min(plan.contributionSteps, sizes.steps / 2)
    plan.finalSteps = min(plan.finalSteps, sizes.steps / 2)
    plan.candidates = min(plan.candidates, sizes.candidates)
    plan.finalists = min(plan.finalists, plan.candidates)
    if !sizes.calibrates { plan.calibrationSteps = 0 }
    if !sizes.calibrates, plan.longestProbe == 0 { plan.scannedBatches = 0 }
    return plan
  }

  /// The most runs of a calibration, and of one before a short run.
  package static let usualCalibrationRuns = 5
  package static let fewestCalibrationRuns = 3
  /// Additional orders of the batches in which base and one tensor are probed to measure the noise.
  package static let extraOrders = 2
  /// Kinds of linear maps in a block.
  static let kinds = LinearKind.allCases.count
  /// Kinds of linear maps that are also probed at other depths.
  package static let kindsOverDepth = 3

  /// The number of contribution probes: the base, the tensors and the head on top of it, kinds
  /// trained alone where depth is probed too, and base and one tensor in further orders.
  package func contributionProbes(layers: Int) -> Int {
    let tensors =
      switch coverage {
      case .none: 0
      case .kinds: Self.kinds
      case .depths: 2 * Self.kinds + 2 * Self.kindsOverDepth
      case .all: Self.kinds * (layers + 1)
      }
    return tensors == 0 ? 0 : 2 + tensors + 2 * Self.extraOrders
  }

  /// Cool-down steps before a candidate that trained for `steps` steps is scored.
  static func coolDown(_ steps: Int) -> Int { min(10, (steps + 2) / 3) }

  /// The price in steps of the reference scheme. The winner's own steps count as the run's, not
  /// here.
  public func price(_ sizes: Sizes) -> Double {
    let scoring = sizes.scoring * scoredShare
    func probe(_ steps: Int, cost: Double = 1) -> Double {
      steps > 0 ? Double(steps) * cost + scoring : 0
    }
    func cooled(_ steps: Int, after earlier: Int) -> Double {
      guard steps > earlier else { return 0 }
      return probe(steps - earlier + Self.coolDown(steps), cost: sizes.candidate)
    }
    let scanned = Double(scannedBatches) * sizes.scanning
    let base = longestProbe > 0 ? scoring : 0
    let calibration = Double(calibrations(sizes) * calibrationRuns) * probe(calibrationSteps)
    let contributions =
      Double(contributionProbes(layers: sizes.layers))
      * probe(contributionSteps, cost: coverage > .kinds ? sizes.deepest : 1)
    let first = Double(candidates) * cooled(firstSteps, after: 0)
    let second = Double(finalists) * cooled(finalSteps, after: firstSteps)
    return scanned + base + calibration + contributions + first + second
      - Double(finalSteps) * sizes.candidate
  }
}
