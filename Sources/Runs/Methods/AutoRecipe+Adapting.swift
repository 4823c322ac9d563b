import Adaptations
import Contributions
import Recipes
import Records
import Storage
import Training

// What takes part in the choice beside update schemes. Another method is another line of `rivals`.
extension AutoRecipe {
  /// Ranks of low-rank adaptation of every linear map; alpha is twice the rank.
  private static let ranks = [8, 32]
  /// The rank where only the last blocks fit the budget.
  private static let partialRank = 16

  /// The methods that fit the budget, the most promising one first.
  private func rivals(in run: PreparedRun) throws(TrainingError) -> [Candidate] {
    let limits = try limits(in: run)
    let everywhere = try Self.ranks.map { rank throws(TrainingError) in
      try lowRank(rank, blocks: run.weights.configuration.layers, in: run)
    }.filter { $0.cost.fits(limits) }
    guard everywhere.isEmpty else { return everywhere }
    return try lastBlocks(in: run, within: limits).map { [$0] } ?? []
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

  /// The recipe's limits, or a little more than the arithmetic of the first low-rank adaptation, so
  /// that in models of the usual width higher ranks take part too.
  private func limits(in run: PreparedRun) throws(TrainingError) -> SchemeBudget {
    if let budget { return SchemeBudget(budget) }
    let usual = try lowRank(Self.ranks[0], blocks: run.weights.configuration.layers, in: run)
    return SchemeBudget(bytes: nil, flopsShare: 1.05 * usual.cost.flopsShare)
  }

  private func selection(in run: PreparedRun) throws(TrainingError) -> MethodSelection {
    MethodSelection(
      in: run, within: try limits(in: run), rivals: try rivals(in: run), drawsRandomly: false)
  }
}

extension AutoRecipe: AdaptingMethod {
  /// What is trained without probes.
  func choice(in run: PreparedRun) throws(TrainingError) -> MethodChoice {
    try selection(in: run).simplest()
  }

  func choice(in run: PreparedRun, resuming saved: RunDecision?) throws -> MethodChoice {
    if let method = saved?.method { return try run.choice(ofMethod: method) }
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
