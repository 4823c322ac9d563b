import Adaptations
import Datasets
import Models
import Records
import Tensors
import Training

// The parts of an analysis that measure.
extension ContributionAnalysis {
  /// Gradient scores of every tensor over the run's first micro-batches.
  func scanGradients(
    _ batches: Int, within limit: Int
  ) throws(TrainingError) -> [String: GradientScore] {
    guard batches > 0 else { return [:] }
    let windows = BatchOrder.firstWindows(
      run, of: context.text, count: batches * run.shape.windows)
    var scores = try run(try plannedScan(within: limit), over: windows)
    guard let share = context.space.headShares.first else { return scores }
    let head = try GradientScan(
      context.compiler, adaptation: context.adaptation([SchemeSpace.head: share]),
      weights: context.weights, pool: context.pool, kernels: context.kernels, seed: run.seed)
    // A head whose gradient alone does not fit can't be trained either.
    if head.plannedBytes + context.runtimeBytes <= limit {
      // Shares count in proportion, so the size that a whole head would have is stored.
      scores[SchemeSpace.head] = try run(head, over: windows)[SchemeSpace.head]?.scaled(
        by: 1 / share)
    }
    return scores
  }

  /// Runs a scan, whose memory is freed before another scan is made.
  private func run(
    _ scan: consuming GradientScan, over windows: [Int]
  ) throws(TrainingError) -> [String: GradientScore] {
    largestScan = max(largestScan, scan.plannedBytes)
    return scan.run(over: context.text, windows: windows)
  }

  /// A gradient scan of as many of the uppermost blocks as fit.
  func plannedScan(within limit: Int) throws(TrainingError) -> GradientScan {
    try scan(try scannedLayers(limit))
  }

  private func scan(_ layers: Range<Int>) throws(TrainingError) -> GradientScan {
    let paths = context.compiler.configuration.parameters.map(\.path).filter { path in
      path.layer.map(layers.contains) ?? (path.role == .norm)
    }
    return try GradientScan(
      context.compiler, adaptation: ScoredAdaptation(paths: Set(paths.map(\.description))),
      weights: context.weights, pool: context.pool, kernels: context.kernels, seed: run.seed)
  }

  /// Σ|g| of a method other than sparse back-propagation, whose parameters no other scan has.
  func measureGradient(
    of candidate: Candidate, for rates: inout CandidateRates
  ) throws(TrainingError) {
    guard let method = candidate.method else { return }
    let size = try MethodCalibration.gradientSize(
      of: method.adaptation, context.compiler, weights: context.weights, text: context.text,
      pool: context.pool, kernels: context.kernels)
    rates.set(size: size, of: method)
  }

  /// Calibrates the rate of whole tensors and that of low-rank factors, each on the first of the
  /// candidates that trains them.
  func calibrate(
    _ rates: inout CandidateRates, for candidates: [Candidate], _ bench: ProbeBench,
    _ plan: AnalysisPlan
  ) throws(TrainingError) {
    for family in RateFamily.allCases {
      guard let first = candidates.first(where: { $0.rateFamily == family })
      else { continue }
      rates.adopt(
        try calibration(of: first, around: rates.rate(for: first), bench, plan), of: first)
    }
  }

  private func calibration(
    of candidate: Candidate, around guess: Double, _ bench: ProbeBench, _ plan: AnalysisPlan
  ) throws(TrainingError) -> RateCalibration {
    let adaptation = context.adaptation(candidate)
    let steps = plan.calibrationSteps
    return try RateCalibration(around: guess, maximumRuns: plan.calibrationRuns) {
      (rate) throws(TrainingError) in
      let result = try bench.run(
        Probe(
          adaptation, schedule: run.schedule.compressed(to: steps, peak: rate), steps: steps))
      probed("learning rate", "rate \(formatted(rate, decimals: 5))", result.loss)
      return result.loss
    }
  }

  func measureContributions(
    _ bench: ProbeBench, _ rates: CandidateRates, _ plan: AnalysisPlan, baseLoss: Double,
    within limit: Int
  ) throws(TrainingError) -> ContributionTable {
    func fits(_ scheme: [String: Double]) throws(TrainingError) -> Bool {
      try context.bytes(scheme) <= limit
    }
    func train(_ scheme: [String: Double], order: UInt64) throws(TrainingError) -> Double {
      let steps = plan.contributionSteps
      let windows = steps * self.run.shape.windowsPerStep
      let schedule = self.run.schedule.compressed(to: steps, peak: rates.rate(for: scheme))
      let result = try bench.run(
        Probe(
          self.context.adaptation(scheme), schedule: schedule, steps: steps,
          reordering: order == 0 ? nil : BatchOrder.Reordering(count: windows, draw: order)))
      self.probed("contributions", "\(scheme.count) tensors", result.loss)
      return result.loss
    }
    let probes = ContributionProbes(
      configuration: context.compiler.configuration, plan: plan,
      headShare: context.space.headShares.first, fits: fits, train: train)
    return try probes.measure(baseLoss: baseLoss)
  }

  /// Takes a candidate without probing it, where the price allows no probes.
  func unprobed(
    _ candidate: Candidate, _ rates: CandidateRates
  ) -> (results: [CandidateResult], reports: [StepReport]) {
    let rate = rates.rate(for: candidate)
    return (
      [CandidateResult(candidate: candidate, learningRate: rate, rounds: [], isChosen: true)], []
    )
  }

  /// Trains each candidate as the run would, so that the winner's steps are the run's first steps,
  /// bit for bit, and adds a cool-down for its score.
  func decide(
    _ candidates: [Candidate], _ bench: ProbeBench, _ rule: CandidateRates,
    _ plan: AnalysisPlan, noise: Double, favourite: Candidate
  ) throws(TrainingError) -> (results: [CandidateResult], reports: [StepReport]) {
    let rates = candidates.map(rule.rate)
    var trained = Set<Int>()
    let halving = try SuccessiveHalving(
      costs: candidates.map(\.cost.flops), favourite: candidates.firstIndex(of: favourite),
      plan: plan, noise: noise, discard: context.discard
    ) { (index, steps) throws(TrainingError) in
      let candidate = candidates[index]
      var schedule = run.schedule
      schedule.peak = rates[index]
      let result = try bench.run(
        Probe(
          context.adaptation(candidate), schedule: schedule, steps: steps,
          store: context.store(index, candidate, rates[index]),
          resuming: !trained.insert(index).inserted, coolDown: AnalysisPlan.coolDown(steps)))
      probed("candidates", candidate.label, result.loss)
      return result
    }
    let results = halving.standings.map { standing in
      CandidateResult(
        candidate: candidates[standing.index], learningRate: rates[standing.index],
        rounds: standing.rounds.map { ($0.steps, $0.loss) },
        isChosen: standing.index == halving.winner)
    }
    return (results, halving.standings[halving.winner].rounds.flatMap(\.reports))
  }

  /// The cost of each tensor added to the last block, from compiled steps.
  func tensorFacts() throws(TrainingError) -> [AnalysisResult.TensorFacts] {
    let base = UpdateSet(context.space.blocks(1))
    let tokens = Double(run.shape.tokensPerStep)
    let known = try context.costs(base)
    return try context.space.items.map { item throws(TrainingError) in
      let isBase = base.tensors.contains { $0.path == item.path }
      let set: UpdateSet
      if item.path == SchemeSpace.head {
        set = UpdateSet(base.tensors, head: item.share)
      } else if isBase {
        set = UpdateSet(base.tensors.filter { $0.path != item.path })
      } else {
        set = base.adding(context.space.tensors.filter { $0.path == item.path })
      }
      let cost = try context.costs(set)
      let sign = isBase ? -1 : 1
      return AnalysisResult.TensorFacts(
        path: item.path, share: item.share,
        flops: Double(sign * (cost.flops - known.flops)) / tokens,
        bytes: sign * (cost.bytes - known.bytes))
    }
  }

  /// The uppermost blocks whose gradient scan fits the run's memory.
  private func scannedLayers(_ limit: Int) throws(TrainingError) -> Range<Int> {
    var (fits, tooDeep) = (layers - 1, -1)
    while fits - tooDeep > 1 {
      let middle = (fits + tooDeep) / 2
      if try scan(middle..<layers).plannedBytes + context.runtimeBytes <= limit {
        fits = middle
      } else {
        tooDeep = middle
      }
    }
    return fits..<layers
  }

  /// The memory limit of the analysis, in bytes: the budget's or, without one, the cost of the most
  /// expensive candidate.
  func memoryLimit(_ candidates: [Candidate]) -> Int {
    context.budget.bytes ?? candidates.map(\.cost.bytes).max() ?? .max
  }
}
