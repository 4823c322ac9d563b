import Tensors
import Training

/// Decides between candidates by training each shortly, then only the best of them longer (Jamieson
/// & Talwalkar 2016). Ties within the noise go to the candidate that is known to do well, else to the
/// cheapest.
public struct SuccessiveHalving {
  /// The results of one candidate.
  public struct Standing: Sendable {
    /// Its index in the list of candidates.
    public let index: Int
    /// The result of each of its rounds.
    public internal(set) var rounds: [ProbeResult] = []

    /// The result of its longest probe.
    public var last: ProbeResult? { rounds.last }
  }

  /// Results in the order of the candidates.
  public private(set) var standings: [Standing] = []
  /// Index of the winner.
  public private(set) var winner = 0

  /// - Parameters:
  ///   - costs: the cost of a step of each candidate; the cheaper one wins ties.
  ///   - favourite: the candidate that is trained unless another one does better.
  ///   - plan: lengths of the rounds and the number of finalists.
  ///   - noise: standard deviation over orders of the batches, in nats; 0 if not measured.
  ///   - discard: called with each eliminated candidate, never with the winner.
  ///   - train: trains a candidate further, up to a total number of steps.
  public init(
    costs: [Int], favourite: Int? = nil, plan: AnalysisPlan, noise: Double,
    discard: (_ index: Int) -> Void = { _ in },
    train: (_ index: Int, _ steps: Int) throws(TrainingError) -> ProbeResult
  ) throws(TrainingError) {
    standings = costs.indices.map { Standing(index: $0) }
    guard plan.firstSteps > 0, costs.count > 1 else { return }
    for index in standings.indices {
      standings[index].rounds.append(try train(index, plan.firstSteps))
    }
    let ranked = standings.indices.sorted {
      (firstLoss($0), costs[$0], $0) < (firstLoss($1), costs[$1], $1)
    }
    // Diverged candidates are eliminated, unless all diverged.
    let stable = ranked.count { firstLoss($0).isFinite }
    let finalists = Array(ranked.prefix(max(1, min(plan.finalists, stable))))
    for index in ranked.dropFirst(finalists.count) { discard(index) }
    if plan.finalSteps > plan.firstSteps, finalists.count > 1 {
      for index in finalists.sorted() {
        standings[index].rounds.append(try train(index, plan.finalSteps))
      }
    }
    winner = decide(among: finalists, favourite: favourite, costs: costs, noise: noise)
    for index in finalists where index != winner { discard(index) }
  }

  private func firstLoss(_ index: Int) -> Double { standings[index].rounds[0].loss }

  /// Of the candidates that are tied with the best, the favourite or else the cheapest. Tied is what
  /// is within the noise over orders or, where that was not measured, within the standard error of
  /// the paired difference over windows.
  private func decide(
    among finalists: [Int], favourite: Int?, costs: [Int], noise: Double
  ) -> Int {
    let last = finalists.compactMap { index in standings[index].last.map { (index, $0) } }
    guard let best = last.min(by: { $0.1.loss < $1.1.loss }) else { return 0 }
    let tied = last.filter { index, result in
      if index == best.0 { return true }
      let difference = PairedDifference(
        result.windowLosses, minus: best.1.windowLosses, weights: result.weights)
      guard difference.mean.isFinite else { return false }
      let limit = noise > 0 ? noise : difference.standardError
      return difference.mean <= limit
    }
    if let favourite, tied.contains(where: { $0.0 == favourite }) { return favourite }
    let winner = tied.min { (costs[$0.0], $0.1.loss, $0.0) < (costs[$1.0], $1.1.loss, $1.0) }
    return winner?.0 ?? best.0
  }
}
