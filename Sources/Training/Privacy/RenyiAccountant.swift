import Records

#if canImport(Glibc)
  import Glibc
#endif

/// The privacy loss of steps that take each window with a probability q and add normal noise of σ
/// times the sensitivity: Rényi differential privacy at integer orders α (Mironov, Talwar & Zhang
/// 2019, section 3.3), between sets of windows of which one has one more:
///
///     ε_α = steps / (α − 1) · log Σ_k (α choose k) (1 − q)^(α−k) q^k exp(k(k − 1) / (2σ²))
///
/// turned into (ε, δ) by Canonne, Kamath & Steinke 2020, proposition 12:
///
///     ε = min over α of ε_α + log(1 − 1/α) − log(δα) / (α − 1)
///
/// An upper bound; accountants over the distribution of the loss itself find up to a quarter less.
public struct RenyiAccountant: Sendable {
  /// q: the probability with which a step takes a window.
  public let samplingRate: Double
  /// σ.
  public let noise: Double
  /// By order, of one step.
  private let losses: [(order: Int, loss: Double)]

  /// The orders that are tried.
  public static let orders = Array(2...63) + [128, 256, 512, 1024]

  public init(samplingRate: Double, noise: Double) {
    self.samplingRate = samplingRate
    self.noise = noise
    losses = Self.orders.map { ($0, Self.loss(order: $0, samplingRate, noise)) }
  }

  /// ε_α of one step.
  private static func loss(order: Int, _ rate: Double, _ noise: Double) -> Double {
    guard rate > 0 else { return 0 }
    guard noise > 0 else { return .infinity }
    let alpha = Double(order)
    guard rate < 1 else { return alpha / (2 * noise * noise) }
    let terms = (0...order).map { k -> Double in
      let k = Double(k)
      let choices = lgamma(alpha + 1) - lgamma(k + 1) - lgamma(alpha - k + 1)
      return choices + k * log(rate) + (alpha - k) * log1p(-rate)
        + k * (k - 1) / (2 * noise * noise)
    }
    let largest = terms.max() ?? 0
    return (largest + log(terms.reduce(0) { $0 + exp($1 - largest) })) / (alpha - 1)
  }

  /// The loss after that many steps.
  public func loss(steps: Int, delta: Double) -> PrivacyLoss {
    guard steps > 0, samplingRate > 0 else { return PrivacyLoss(epsilon: 0, delta: delta) }
    let epsilon = losses.map { order, loss in
      let alpha = Double(order)
      return Double(steps) * loss + log1p(-1 / alpha) - log(delta * alpha) / (alpha - 1)
    }.min()
    return PrivacyLoss(epsilon: max(0, epsilon ?? .infinity), delta: delta)
  }
}
