import Generation
import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Drawing tokens from logits.
@Suite struct SamplerTests {
  private func draws(
    _ logits: [Float], temperature: Double, topP: Double = 1, seed: UInt64 = 1, count: Int = 1
  ) -> [Int] {
    var sampler = Sampler(temperature: temperature, topP: topP, seed: seed)
    return logits.withUnsafeBufferPointer { buffer in
      (0..<count).map { _ in sampler.draw(buffer) }
    }
  }

  private func frequencies(
    _ logits: [Float], temperature: Double, topP: Double
  ) -> [Double] {
    let count = 20_000
    var result = [Double](repeating: 0, count: logits.count)
    for index in draws(logits, temperature: temperature, topP: topP, count: count) {
      result[index] += 1 / Double(count)
    }
    return result
  }

  @Test func temperatureZeroTakesTheLikeliest() {
    #expect(draws([-1, 3, 2.9, -7], temperature: 0, count: 3) == [1, 1, 1])
    #expect(draws([4], temperature: 0) == [0])
  }

  @Test func sameSeedSameDraws() {
    let logits = (0..<50).map { Float($0 % 7) / 3 }
    let one = draws(logits, temperature: 1, topP: 0.9, seed: 3, count: 40)
    #expect(one == draws(logits, temperature: 1, topP: 0.9, seed: 3, count: 40))
    #expect(one != draws(logits, temperature: 1, topP: 0.9, seed: 4, count: 40))
  }

  /// 20,000 draws: a standard deviation is at most 0.0036.
  @Test(arguments: [0.5, 1, 2])
  func frequenciesAreTheSoftmax(temperature: Double) {
    let logits: [Float] = [1, -1, 0.5, 2, -3]
    let weights = logits.map { exp(Double($0) / temperature) }
    let total = weights.reduce(0, +)
    for (found, weight) in zip(frequencies(logits, temperature: temperature, topP: 1), weights) {
      #expect(abs(found - weight / total) < 0.018)
    }
  }

  /// Probabilities 0.5, 0.3, 0.15, 0.05: the nucleus is the shortest start that reaches top-p.
  @Test(arguments: [(0.4, 1), (0.5, 1), (0.6, 2), (0.79, 2), (0.9, 3), (0.96, 4), (1, 4)])
  func nucleus(topP: Double, size: Int) {
    let shares = [0.15, 0.5, 0.05, 0.3]
    // 0.5 must count as reached in spite of rounding.
    let logits = shares.map { Float(log($0)) + 1e-6 * Float($0) }
    let kept = shares.sorted(by: >).prefix(size)
    let total = kept.reduce(0, +)
    for (found, share) in zip(frequencies(logits, temperature: 1, topP: topP), shares) {
      #expect(kept.contains(share) ? abs(found - share / total) < 0.018 : found == 0)
    }
  }

  @Test func aTinyTopPIsGreedy() {
    let logits = (0..<1000).map { Float(($0 * 37) % 1000) / 200 }
    let likeliest = logits.indices.max { logits[$0] < logits[$1] }
    #expect(Set(draws(logits, temperature: 1, topP: 1e-9, count: 20)) == [likeliest])
  }

  /// A broken model must not bring the sampler down.
  @Test(arguments: [Float.nan, -.infinity])
  func oddLogitsAreSurvived(odd: Float) {
    let logits: [Float] = [odd, 1, odd, 0]
    for topP in [0.5, 1] {
      for index in draws(logits, temperature: 1, topP: topP, count: 50) {
        #expect(logits.indices.contains(index))
      }
    }
  }
}
