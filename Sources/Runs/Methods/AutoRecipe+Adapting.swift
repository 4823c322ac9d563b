import Adaptations
import Contributions
import Recipes
import Records
import Storage
import Training

// What takes part in the choice beside update schemes: another method is another candidate among the
// `rivals`, the most promising one first.
extension AutoRecipe {
  /// Ranks of low-rank adaptation of every linear map; alpha is twice the rank.
  private static let ranks = [8, 32]
  /// The rank where only the last blocks fit the budget.
  private static let partialRank = 16

  private func selection(in run: PreparedRun) throws(TrainingError) -> MethodSelection {
    let layers = run.weights.configuration.layers
    let everywhere = try Self.ranks.map { rank throws(TrainingError) in
      try lowRank(rank, blocks: layers, in: run)
    }
    // Without a budget, a little more than the arithmetic of the first one, so that in models of the
    // usual width higher ranks take part too.
    let limits =
      budget.map(SchemeBudget.init)
      ?? SchemeBudget(bytes: nil, flopsShare: 1.05 * everywhere[0].cost.flopsShare)
    var rivals = everywhere.filter { $0.cost.fits(limits) }
    if rivals.isEmpty, let part = try lastBlocks(in: run, within: limits) { rivals = [part] }
    return MethodSelection(in: run, within: limits, rivals: rivals, drawsRandomly: false)
  }

  /// Low-rank adaptation of as many of the last blocks as fit; nil if none does.
  private func lastBlocks(
    in run: PreparedRun, within limits: SchemeBudget
  ) throws(TrainingError) -> Candidate? {
    var (fitting, count) = (Candidate?.none, 0)
    var tooMany = run.weights.configuration.layers
    while tooMany - count > 1 {
      let middle = (count + tooMany) / 2
      let candidate = try lowRank(Self.partialRank, blocks: middle, in: run)
      if candidate.cost.fits(limits) {
        (fitting, count) = (candidate, middle)
      } else {
        tooMany = middle
      }
    }
    return fitting
  }

  private func lowRank(
    _ rank: Int, blocks: Int, in run: PreparedRun
  ) throws(TrainingError) -> Candidate {
    let layers = run.weights.configuration.layers
    let settings = LoRARecipe(
      rank: rank, alpha: Double(2 * rank),
      targets: blocks == layers ? .allLinear : .lastBlocks(blocks, of: layers))
    let place = blocks == layers ? "every linear map" : "the last \(blocks) of \(layers) blocks"
    let adaptation = try settings.choice(in: run).adaptation
    return Candidate(
      label: "LoRA of rank \(rank) on \(place)",
      CandidateMethod(adaptation, recipe: MethodRecipe.lora(settings).json),
      cost: try run.cost(of: adaptation))
  }
}

extension AutoRecipe: AdaptingMethod {
  /// What is trained without probes.
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    try selection(in: run).simplest()
  }

  func choice(in run: PreparedRun, resuming saved: RunDecision?) throws -> MethodChoice {
    if let method = saved?.method {
      var choice = try run.choice(ofMethod: method)
      choice.explanation = "\"auto\": \(choice.adaptation.name), as the snapshot has it"
      return choice
    }
    return try SparseRecipe(tensors: .auto).choice(in: run, resuming: saved)
  }

  func decision(
    in run: PreparedRun, _ record: EarlierMeasurements,
    observe: @escaping (AnalysisProgress) -> Void
  ) throws -> MethodDecision {
    try selection(in: run).decision(record, observe: observe)
  }

  func unmeasuredDecision(
    in run: PreparedRun, _ record: EarlierMeasurements
  ) throws -> MethodDecision {
    try selection(in: run).unmeasuredDecision(record)
  }

  func analyse(
    in run: PreparedRun, observe: @escaping (AnalysisProgress) -> Void
  ) throws -> AnalysisResult {
    try selection(in: run).analyse(observe: observe)
  }
}
