import Contributions
import Models
import Tensors
import TestSupport
import Testing
import Training

/// Which tensors are probed and what becomes of their gains, on losses that are known.
@Suite struct ContributionProbesTests {
  private let configuration = TinyModel.configuration(layers: 4)

  private func plan(_ coverage: AnalysisPlan.Coverage) -> AnalysisPlan {
    AnalysisPlan(
      calibrationSteps: 0, coverage: coverage, contributionSteps: 20, candidates: 1, firstSteps: 0,
      finalists: 1, finalSteps: 0)
  }

  /// The gain of a tensor by construction: by kind, a little less with depth.
  private func gain(_ path: String) -> Double {
    guard let place = ParameterPath(path), let layer = place.layer else {
      return path == "head" ? 0.3 : 0
    }
    let kind = LinearKind.allCases.firstIndex { .linear($0) == place.role } ?? 0
    return 0.01 * Double(kind) + 0.001 * Double(layer)
  }

  /// Losses add up but for a jitter that depends on the order of batches.
  private func measure(
    _ coverage: AnalysisPlan.Coverage, headShare: Double? = nil, jitter: Double = 0
  ) throws -> (table: ContributionTable, probed: [[String: Double]]) {
    var probed: [[String: Double]] = []
    let probes = ContributionProbes(
      configuration: configuration, plan: plan(coverage), headShare: headShare
    ) { (scheme, order) throws(TrainingError) in
      probed.append(scheme)
      let noise = scheme["layers[2].mlp.down"] == nil ? 0 : jitter * (Double(order) - 1)
      return 5 - scheme.keys.sorted().reduce(0) { $0 + gain($1) } + noise
    }
    return (try probes.measure(baseLoss: 5), probed)
  }

  @Test func kindsComeFirstAndStandForOtherDepths() throws {
    let (table, probed) = try measure(.kinds)
    #expect(probed.count == 1 + 7 + 4)
    #expect(table.contributions.count == 7 * 4)
    for contribution in table.contributions {
      let place = try #require(ParameterPath(contribution.path))
      #expect(contribution.isMeasured == (place.layer == 2))
      guard let layer = place.layer, layer < 3 else { continue }
      let known = gain(ParameterPath(layer: 2, place.role).description)
      #expect(((contribution.gain ?? 0) - known).magnitude < 1e-9, "\(contribution.path)")
    }
    // The last block's gain is shared out by size.
    let last = table.contributions.filter { ParameterPath($0.path)?.layer == 3 }
    let sum = last.reduce(0) { $0 + ($1.gain ?? 0) }
    #expect((sum - ((table.baseLoss ?? 0) - (table.lastBlockLoss ?? 0))).magnitude < 1e-9)
  }

  @Test func everythingIsMeasuredWhereThePriceAllows() throws {
    let (table, probed) = try measure(.all, headShare: 0.5)
    #expect(table.contributions.count == 7 * 4 + 1)
    for contribution in table.contributions {
      #expect(contribution.isMeasured)
      #expect(((contribution.gain ?? 0) - gain(contribution.path)).magnitude < 1e-9)
    }
    #expect(probed.contains { $0["head"] == 0.5 })
    let alone = table.contributions.filter { $0.gainAlone != nil }
    #expect(alone.count == 7)
    #expect(alone.allSatisfy { (($0.gainAlone ?? 0) - gain($0.path)).magnitude < 1e-9 })
    #expect(probed.count == plan(.all).contributionProbes(layers: 4))
  }

  @Test func depthIsInterpolated() throws {
    let (table, _) = try measure(.depths)
    let path = "layers[1].mlp.down"
    let found = try #require(table.contributions.first { $0.path == path })
    #expect(((found.gain ?? 0) - gain(path)).magnitude < 1e-9, "linear in depth by construction")
  }

  /// Over three orders the paired gain of the repeated tensor jitters by −j, 0, +j: a deviation of
  /// j. What is below twice that counts as nothing.
  @Test func gainsWithinTheNoiseCountAsNothing() throws {
    let (table, _) = try measure(.kinds, jitter: 0.02)
    #expect((table.noise - 0.02).magnitude < 1e-9)
    for contribution in table.contributions {
      let gain = contribution.gain ?? 0
      #expect(table.score(contribution) == (gain >= 0.04 ? gain : 0))
    }
    #expect(table.scores.values.contains(0))
  }

  @Test func aModelOfOneBlockHasNothingBelowIt() throws {
    let probes = ContributionProbes(
      configuration: TinyModel.configuration(layers: 1), plan: plan(.all), headShare: nil
    ) { (_, _) throws(TrainingError) in 1 }
    #expect(try probes.measure(baseLoss: 2).contributions.isEmpty)
  }
}
