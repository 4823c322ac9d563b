import Contributions
import Testing
import Training

/// Deciding between candidates, on losses that are known.
@Suite struct SuccessiveHalvingTests {
  private var plan: AnalysisPlan {
    AnalysisPlan(
      calibrationSteps: 0, coverage: .none, contributionSteps: 0, candidates: 4, firstSteps: 20,
      finalists: 2, finalSteps: 50)
  }

  private func result(_ loss: Double, steps: Int, spread: Double = 0) -> ProbeResult {
    let windows = (0..<8).map { loss + ($0 % 2 == 0 ? spread : -spread) }
    return ProbeResult(windowLosses: windows, steps: steps, seconds: 1)
  }

  /// - Parameter losses: of each candidate after the first and the second round.
  private func decide(
    _ losses: [(Double, Double)], costs: [Int], favourite: Int? = nil, noise: Double = 0
  ) throws -> (halving: SuccessiveHalving, trained: [[Int]]) {
    var trained = losses.map { _ in [Int]() }
    let halving = try SuccessiveHalving(
      costs: costs, favourite: favourite, plan: plan, noise: noise
    ) { (index, steps) throws(TrainingError) in
      trained[index].append(steps)
      return result(steps == 20 ? losses[index].0 : losses[index].1, steps: steps)
    }
    return (halving, trained)
  }

  @Test func onlyTheBestTrainOn() throws {
    let (halving, trained) = try decide(
      [(3, 2.9), (2.5, 2.4), (2.6, 2.2), (2.7, 1)], costs: [1, 1, 1, 1])
    #expect(trained == [[20], [20, 50], [20, 50], [20]])
    #expect(halving.winner == 2)
    #expect(halving.standings[2].rounds.map(\.steps) == [20, 50])
  }

  @Test func tiesGoToTheCheapest() throws {
    let losses = [(2.50, 2.40), (2.51, 2.41), (3, 3), (3, 3)]
    #expect(try decide(losses, costs: [20, 10, 1, 1], noise: 0.02).halving.winner == 1)
    #expect(try decide(losses, costs: [20, 10, 1, 1], noise: 0.005).halving.winner == 0)
  }

  /// What is known to do well is only given up for something that does better.
  @Test func tiesGoToTheFavouriteFirst() throws {
    let losses = [(2.50, 2.40), (2.51, 2.41), (3, 3), (3, 3)]
    #expect(try decide(losses, costs: [1, 9, 1, 1], favourite: 1, noise: 0.02).halving.winner == 1)
    #expect(
      try decide(losses, costs: [1, 9, 1, 1], favourite: 1, noise: 0.005).halving.winner == 0)
    #expect(
      try decide(losses, costs: [20, 10, 1, 1], favourite: 3, noise: 0.02).halving.winner == 1)
  }

  @Test func aDivergedCandidateLoses() throws {
    let (halving, trained) = try decide(
      [(.infinity, .infinity), (5, 4), (.infinity, .infinity), (.infinity, 1)],
      costs: [1, 2, 1, 1])
    #expect(halving.winner == 1)
    #expect(trained == [[20], [20], [20], [20]], "what diverged has no state to go on from")
  }

  @Test func whatIsOutIsDropped() throws {
    var out: [Int] = []
    let losses = [2.5, 2.4, 2.6, 2.3]
    func train(_ index: Int, _ steps: Int) throws(TrainingError) -> ProbeResult {
      result(losses[index], steps: steps)
    }
    let halving = try SuccessiveHalving(
      costs: [1, 1, 1, 1], plan: plan, noise: 0, discard: { out.append($0) }, train: train)
    #expect(halving.winner == 3 && out == [0, 2, 1])
  }

  @Test func nothingToDecide() throws {
    let (halving, trained) = try decide([(3, 2)], costs: [1])
    #expect(halving.winner == 0 && trained == [[]])
  }

  @Test func pairedDifferences() {
    let same = PairedDifference([1, 2, 3], minus: [0.5, 1.5, 2.5])
    #expect(same.mean == 0.5 && same.standardError == 0)
    // Differences 1, 2, 3: mean 2, standard deviation 1.
    let spread = PairedDifference([1, 2, 3], minus: [0, 0, 0])
    #expect(spread.mean == 2)
    #expect((spread.standardError - 1 / 3.0.squareRoot()).magnitude < 1e-12)
    // The mean over all targets; what windows weigh in common does not matter.
    let weighed = PairedDifference([1, 2, 3], minus: [0, 0, 0], weights: [0.5, 0.5, 1])
    #expect(weighed.mean == 2.25)
    let half = PairedDifference([1, 2, 3], minus: [0, 0, 0], weights: [0.5, 0.5, 0.5])
    #expect(half == spread)
    let result = ProbeResult(windowLosses: [1, 3], weights: [0.25, 0.75], steps: 1, seconds: 0)
    #expect(result.loss == 2.5)
  }
}
