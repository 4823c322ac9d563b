import Records
import Tensors
import Testing

@testable import Audits

@Suite struct RankCurveTests {
  /// Of 4·3 pairs the member is above in 3 + 3 + 1 and level in 1 of the rest: 0.5·(1) + 8 …
  @Test func areaByHand() {
    // 0.9 beats all 3; 0.8 beats all 3; 0.5 beats 0.1 and ties 0.5: 1.5; 0.2 beats 0.1: 1.
    let curve = RankCurve(members: [0.9, 0.8, 0.5, 0.2], nonMembers: [0.5, 0.1, 0.7])
    #expect(abs(curve.area - 8.5 / 12) < 1e-12)
  }

  @Test func extremes() {
    #expect(RankCurve(members: [2, 3], nonMembers: [0, 1]).area == 1)
    #expect(RankCurve(members: [0, 1], nonMembers: [2, 3]).area == 0)
    #expect(RankCurve(members: [1, 1], nonMembers: [1, 1]).area == 0.5)
    #expect(RankCurve(members: [], nonMembers: [1]).area == 0.5)
    #expect(RankCurve(members: [.nan], nonMembers: [1]).area == 0)
  }

  @Test func intervalsAreTheSeeds() {
    var random = RandomSource(seed: 3)
    let members = (0..<60).map { _ in random.normal() + 1 }
    let nonMembers = (0..<50).map { _ in random.normal() }
    let curve = RankCurve(members: members, nonMembers: nonMembers)
    let (first, again) = (curve.interval(seed: 1), curve.interval(seed: 1))
    let other = curve.interval(seed: 2)
    #expect(first == again && first != other)
    #expect(first.low < curve.area && curve.area < first.high)
    // Hanley & McNeil's standard error of an area of 0.76 with these counts is about 0.046.
    #expect((0.12...0.25).contains(first.high - first.low))
  }

  @Test func ratesNeedManyNonMembers() {
    let many = (0..<1000).map(Double.init)
    let curve = RankCurve(members: [995, 989.5, 989, 5], nonMembers: many)
    // Ten are above 989, so the line is there; a member on it is not above it.
    #expect(curve.truePositiveRate(falsePositives: 0.01) == 0.5)
    let few = RankCurve(members: [1], nonMembers: Array(many.prefix(999)))
    #expect(few.truePositiveRate(falsePositives: 0.01) == nil)
  }

  /// Scores of one token by hand: p = 1/2, 1/4, 1/4.
  @Test func tokenScores() throws {
    let logits: [Float] = [2, 2 - 0.6931472, 2 - 0.6931472]
    let (first, second) = try logits.withUnsafeBufferPointer { logits in
      let distribution = try #require(TokenDistribution(logits))
      return (distribution.score(of: 0), distribution.score(of: 2))
    }
    // The mean of ln p is −1.5 ln 2, its standard deviation 0.5 ln 2.
    #expect(first.isLikeliest && abs(first.logProbability + 0.6931472) < 1e-6)
    #expect(abs(first.standardised - 1) < 1e-5)
    #expect(!second.isLikeliest && abs(second.logProbability + 1.3862944) < 1e-6)
    #expect(abs(second.standardised + 1) < 1e-5)
    let broken: [Float] = [.nan, 1]
    #expect(broken.withUnsafeBufferPointer { TokenDistribution($0) == nil })
  }

  /// A probability of a half over n samples needs p ≥ 1 − 2^(−1/n).
  @Test func extractionCounts() throws {
    let extraction = try #require(Extraction(sequenceLength: 16))
    func window(_ logProbability: Float, isLikeliest: Bool) -> TokenScores {
      var scores = TokenScores()
      for _ in 0..<16 {
        scores.logProbabilities.append(logProbability)
        scores.isLikeliest.append(isLikeliest)
        scores.standardised.append(0)
      }
      return scores
    }
    // Eight tokens: 0.95⁸ = 0.66, 0.75⁸ = 0.100, 0.5⁸ = 0.0039.
    let row = extraction.row(
      [
        window(-0.0513, isLikeliest: true), window(-0.2877, isLikeliest: true),
        window(-0.6931, isLikeliest: false),
      ], hasDelta: true, isTrained: true)
    #expect(row.windows == 3 && row.greedy == 2)
    #expect(row.sampled.map(\.samples) == [1, 10, 100, 1000, 10_000, 1_000_000])
    #expect(row.sampled.map(\.windows) == [1, 2, 2, 3, 3, 3])
    #expect(Extraction(sequenceLength: 12) == nil)
  }

  @Test func canariesRank() {
    #expect(Canaries.rank(of: 1, logProbabilities: [-5, -3, -4]) == 1)
    #expect(Canaries.rank(of: 0, logProbabilities: [-5, -3, -4]) == 3)
    #expect(Canaries.rank(of: 0, logProbabilities: [-3, -3, -4]) == 2)
    #expect(Canaries.rank(of: 0, logProbabilities: [.nan, -3, -4]) == 3)
    let canaries = Canaries(candidates: 1024, seed: 4)
    #expect(canaries.documents.count == 21 && Set(canaries.documents).count == 3)
    let (sentences, secret) = canaries.candidates(2)
    #expect(Set(sentences).count == 1024 && canaries.documents.last == sentences[secret])
    // Numbers that follow one another have at most 104 beginnings of five digits.
    #expect(Set(sentences.map { $0.dropLast(2) }).count <= 104)
  }

  @Test func proportions() {
    #expect(Proportion(40, of: 43).exceeds(Proportion(19, of: 43)))
    #expect(!Proportion(24, of: 43).exceeds(Proportion(19, of: 43)))
    #expect(!Proportion(1, of: 108).exceeds(Proportion(0, of: 111)))
    #expect(!Proportion(0, of: 0).exceeds(Proportion(0, of: 0)))
  }

  /// Halves of an even and the next odd shadow are all windows.
  @Test func shadowHalves() {
    let windows = Array(3..<14)
    let (first, second) = (
      ShadowRuns.half(windows, index: 2, seed: 9), ShadowRuns.half(windows, index: 3, seed: 9)
    )
    #expect(first.count == 6 && first.isDisjoint(with: second))
    #expect(first.union(second) == Set(windows))
    #expect(ShadowRuns.half(windows, index: 0, seed: 9) != first)
  }
}
