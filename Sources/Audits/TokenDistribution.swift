#if canImport(Glibc)
  import Glibc
#endif

/// What logits say of one target.
struct TokenScore {
  let logProbability: Float
  let standardised: Float
  let isLikeliest: Bool
}

/// The distribution over all tokens that logits stand for; valid as long as they are.
struct TokenDistribution {
  private let logits: UnsafeBufferPointer<Float>
  private let largest: Float
  /// ln Σe^(l − the largest).
  private let logSum: Double
  /// Of l − the largest under the distribution.
  private let mean: Double
  private let deviation: Double

  /// Nil for logits that are not finite.
  init?(_ logits: UnsafeBufferPointer<Float>) {
    var largest = -Float.infinity
    for logit in logits where logit > largest { largest = logit }
    // Σe, Σe·l and Σe·l² over l = logit − the largest: log p = l − log Σe.
    var (sum, first, second): (Double, Double, Double) = (0, 0, 0)
    for logit in logits {
      let shifted = logit - largest
      let weight = Double(exp(shifted))
      let value = Double(shifted)
      sum += weight
      // e·l of a logit of −infinity is 0.
      guard weight > 0 else { continue }
      first += weight * value
      second += weight * value * value
    }
    guard sum.isFinite, sum > 0, largest.isFinite, first.isFinite else { return nil }
    self.logits = logits
    self.largest = largest
    logSum = log(sum)
    mean = first / sum
    deviation = max(0, second / sum - mean * mean).squareRoot()
  }

  func score(of target: Int) -> TokenScore {
    let shifted = Double(logits[target] - largest)
    return TokenScore(
      logProbability: Float(shifted - logSum),
      standardised: Float((shifted - mean) / max(deviation, 1e-9)),
      isLikeliest: logits[target] == largest)
  }
}
