/// Differentially private training (DP-SGD, Abadi et al. 2016) of windows: what one window adds to a
/// step's gradient has at most the norm `clip`, and the sum gets normal noise.
public struct PrivacySettings: Hashable, Sendable {
  /// C: the most that a window's gradient, of its mean loss per position, may have as its norm.
  public var clip: Double
  /// σ: the standard deviation of the noise on the sum of the clipped gradients, as a multiple of C.
  public var noise: Double
  /// δ, for which ε is given.
  public var delta: Double

  public init(clip: Double, noise: Double, delta: Double) {
    self.clip = clip
    self.noise = noise
    self.delta = delta
  }
}
