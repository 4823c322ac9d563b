import Adaptations
import Datasets
import Records
import Training

/// Finds the tensors worth updating under a budget: gradient scores set learning rates, single
/// tensors are probed on top of a trained last block, a search turns gains and compiled costs into
/// candidates beside simpler choices, and short joint runs decide.
///
/// Deterministic: which probes run depends on recipe and text, never on time. A memory budget also
/// covers the process's own memory, rounded up.
public final class ContributionAnalysis {
  let context: AnalysisContext
  private let settings: AnalysisSettings
  private let fixedRate: Double?
  private let key: String
  private let observe: (AnalysisProgress) -> Void
  private let shouldStop: () -> Bool
  private var done = 0
  private var total = 0
  /// Bytes of arena and mapped weights of the largest gradient scan.
  var largestScan = 0
  private let start = ContinuousClock.now
  /// Seconds of what the run need not do again, but for steps.
  private var secondsOfTheRun = 0.0

  /// - Parameters:
  ///   - fixedRate: the recipe's learning rate; nil to calibrate one.
  ///   - key: hash of everything that the result depends on, saved with it.
  public init(
    _ context: AnalysisContext, settings: AnalysisSettings, fixedRate: Double?, key: String,
    observe: @escaping (AnalysisProgress) -> Void = { _ in },
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.context = context
    self.settings = settings
    self.fixedRate = fixedRate
    self.key = key
    self.observe = observe
    self.shouldStop = shouldStop
  }

  var layers: Int { context.compiler.configuration.layers }
  var run: TrainingSettings { context.compiler.settings }

  /// - Throws: `TrainingError.budget` if nothing fits, `.interrupted` if it was asked to stop.
  public func analyse() throws(TrainingError) -> AnalysisResult {
    var candidates = try proposals(gains: nil)
    let (plan, sizes) = try plan(candidates)
    total = probeCount(plan, sizes)
    let isProbed = plan.firstSteps > 0 || !settings.probesJointly
    let simplest = Candidates.unprobed(
      candidates, parameters: context.compiler.configuration.parameterCount)
    func trained(_ all: [Candidate]) -> [Candidate] {
      isProbed ? Array(all.prefix(max(1, plan.candidates))) : [simplest]
    }
    let scansTensors =
      plan.coverage > .none || trained(candidates).contains { $0.method == nil }
    report("gradients", "scores of every tensor")
    let limit = memoryLimit(candidates)
    // Memory that the compiler has freed must not stay resident beside the probes'.
    ProcessMemory.trim()
    let scores = try scanGradients(
      scansTensors ? plan.scannedBatches : 0, within: limit)
    if plan.scannedBatches > 1 {
      candidates = merged(candidates, try proposals(gains: nil, gradients: scores))
    }
    var rates = CandidateRates(
      scores, optimizer: run.optimizer, configuration: context.compiler.configuration,
      fixedRate: fixedRate)
    var table = ContributionTable()
    for candidate in trained(candidates) where fixedRate == nil {
      try measureGradient(of: candidate, for: &rates)
    }
    let bench = try makeBench(plan)
    let decision: (results: [CandidateResult], reports: [StepReport])
    if let bench {
      if plan.calibrationSteps > 0 {
        try calibrate(&rates, for: trained(candidates), bench, plan)
      }
      let baseLoss = try bench.baseLoss()
      table.baseLoss = baseLoss
      if plan.coverage > .none {
        table = try measureContributions(bench, rates, plan, baseLoss: baseLoss, within: limit)
        candidates = merged(candidates, try proposals(gains: table, gradients: scores))
      }
      decision = try decide(
        trained(candidates), bench, rates, plan, noise: table.noise, favourite: simplest)
    } else {
      decision = unprobed(simplest, rates)
    }
    var result = AnalysisResult(
      key: key, plan: plan, budget: context.budget,
      heldOut: bench?.heldOut.label ?? "nothing", table: table, gradients: scores,
      calibration: nil, rateConstant: 0, candidates: decision.results, tensors: try tensorFacts())
    if let chosen = result.chosen?.candidate {
      result.calibration = rates.calibration(of: chosen)
      result.rateConstant = rates.constant(for: chosen)
    }
    result.reports = decision.reports
    addCosts(of: bench, price: max(0, plan.price(sizes)) / Double(max(1, sizes.steps)), to: &result)
    return result
  }

  /// Adds the cost of the analysis, without what the run would do anyway: the winner's own steps, and
  /// the validation before the first one.
  private func addCosts(of bench: ProbeBench?, price: Double, to result: inout AnalysisResult) {
    result.initialValidationLoss = bench?.initialValidationLoss
    result.probes = bench?.probes ?? 0
    result.largestStep = max(largestScan, bench?.largestStep ?? 0)
    let own = secondsOfTheRun + result.reports.reduce(0) { $0 + $1.seconds }
    result.seconds = max(0, (ContinuousClock.now - start).seconds - own)
    result.priceShare = price
  }

  /// Upper bounds of an analysis: time in steps of the run, and bytes of arena and mapped weights.
  public func forecast() throws(TrainingError) -> (steps: Double, bytes: Int) {
    let candidates = try proposals(gains: nil)
    let (plan, sizes) = try plan(candidates)
    let probed = candidates.prefix(plan.firstSteps > 0 ? plan.candidates : 0)
    let bytes = probed.map { $0.cost.bytes - context.runtimeBytes }.max() ?? 0
    let scanned =
      plan.scannedBatches > 0 ? try plannedScan(within: memoryLimit(candidates)).plannedBytes : 0
    return (max(0, plan.price(sizes)), max(bytes, scanned))
  }

  /// All candidates under the budget, with the search's proposals if gains were measured or
  /// gradients of several batches are known.
  private func proposals(
    gains table: ContributionTable?, gradients: [String: GradientScore] = [:]
  ) throws(TrainingError) -> [Candidate] {
    var firstOrder: [SchemeItem: Double] = [:]
    for (path, score) in gradients where score.update > 0 {
      firstOrder[SchemeItem(path)] = score.update
    }
    let gains = table.map { table in
      var gains: [SchemeItem: Double] = [:]
      for (path, score) in table.scores where path != SchemeSpace.head {
        gains[SchemeItem(path)] = score
      }
      // Rows that do not occur in the text gain nothing, so every share that is offered gains alike.
      for share in context.space.headShares {
        gains[SchemeItem(SchemeSpace.head, share: share)] = table.scores[SchemeSpace.head] ?? 0
      }
      return gains
    }
    return try Candidates(context.costs, seed: run.seed).all(
      within: context.budget, gains: gains, firstOrder: firstOrder.isEmpty ? nil : firstOrder,
      rivals: context.rivals,
      parameters: context.compiler.configuration.parameterCount,
      randomDraws: context.randomDraws)
  }

  /// The search's candidates stand in the order of all kinds, or first where nothing else decides.
  private func merged(_ simple: [Candidate], _ informed: [Candidate]) -> [Candidate] {
    let new = informed.filter { candidate in
      [.contributions, .firstOrder].contains(candidate.kind)
        && !simple.contains { $0.scheme == candidate.scheme }
    }
    guard settings.probesJointly else { return new + simple }
    let leading = Candidates.leadingKinds(
      parameters: context.compiler.configuration.parameterCount)
    let all = new + simple
    return leading.flatMap { kind in all.filter { $0.kind == kind } }
      + all.filter { !leading.contains($0.kind) }
  }
}

// Planning of probes.
extension ContributionAnalysis {
  private func plan(
    _ candidates: [Candidate]
  ) throws(TrainingError) -> (AnalysisPlan, AnalysisPlan.Sizes) {
    let shape = run.shape
    let reference = context.adaptation(candidates[0])
    let step = try context.compiler.compile(reference)
    // Scoring is a forward pass; a step's arithmetic is its whole program's.
    let forward = Double(step.validationFlops) / Double(shape.windows * shape.tokens)
    let perStep = step.flopsPerToken * Double(shape.tokensPerStep)
    // Gradients of all tensors cost as much as a full step, those of the head a forward pass.
    let full = try context.compiler.compile(FullAdaptation()).flopsPerToken
    let heads = context.space.headShares.isEmpty ? 0 : forward
    let scored = HeldOutWindows.wanted(tokens: shape.tokens) * shape.tokens
    let flops = candidates.reduce(0) { $0 + Double($1.cost.flops) } / Double(candidates.count)
    let trainable = HeldOutWindows.trainableWindows(
      run, text: context.text, validation: context.validation)
    let sizes = AnalysisPlan.Sizes(
      steps: run.steps, layers: layers, candidates: candidates.count + 2,
      scoring: Double(scored) * forward / perStep,
      scanning: Double(shape.windows * shape.tokens) * (full + heads) / perStep,
      candidate: flops / perStep, deepest: full / step.flopsPerToken,
      trainableSteps: trainable / shape.windowsPerStep,
      calibrates: fixedRate == nil,
      families: Set(candidates.map(\.rateFamily)).count)
    return (AnalysisPlan.fitting(settings, sizes), sizes)
  }

  private func probeCount(_ plan: AnalysisPlan, _ sizes: AnalysisPlan.Sizes) -> Int {
    let calibration =
      plan.calibrationSteps > 0 ? plan.calibrations(sizes) * plan.calibrationRuns : 0
    let first = plan.firstSteps > 0 ? plan.candidates : 0
    let second = plan.finalSteps > plan.firstSteps ? plan.finalists : 0
    return calibration + plan.contributionProbes(layers: layers) + first + second
  }

  private func makeBench(_ plan: AnalysisPlan) throws(TrainingError) -> ProbeBench? {
    let windows = plan.reach * run.shape.windowsPerStep
    guard windows > 0,
      let heldOut = HeldOutWindows(
        run, text: context.text, validation: context.validation, probeWindows: windows,
        share: plan.scoredShare)
    else { return nil }
    let prefixes = SharedPrefixes(
      text: context.text, trainedWindows: windows, heldOut: heldOut, folder: context.cacheFolder,
      byteLimit: context.cacheBytes)
    let bench = ProbeBench(
      context.compiler, weights: context.weights, text: context.text, heldOut: heldOut,
      pool: context.pool, kernels: context.kernels, prefixes: prefixes, shouldStop: shouldStop)
    let start = ContinuousClock.now
    bench.initialValidationLoss = try context.validation.map { text throws(TrainingError) in
      try bench.baseLoss(of: text)
    }
    secondsOfTheRun += (ContinuousClock.now - start).seconds
    return bench
  }

  private func report(_ stage: String, _ label: String, loss: Double? = nil) {
    let elapsed = (ContinuousClock.now - start).seconds
    let left = done > 0 ? elapsed / Double(done) * Double(max(0, total - done)) : nil
    observe(
      AnalysisProgress(
        stage: stage, label: label, done: done, total: max(total, done), loss: loss,
        etaSeconds: left))
  }

  func probed(_ stage: String, _ label: String, _ loss: Double) {
    done += 1
    report(stage, label, loss: loss)
  }
}
