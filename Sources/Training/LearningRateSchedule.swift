#if canImport(Glibc)
  import Glibc
#endif

/// The learning rate over a run: a linear warm-up, then a decay to a share of the peak.
public struct LearningRateSchedule: Hashable, Sendable {
  /// How the rate falls after the warm-up.
  public enum Curve: String, Hashable, Sendable { case cosine, linear, constant }

  public var curve: Curve
  public var peak: Double
  public var warmupSteps: Int
  /// The last step's rate as a share of the peak; ignored for `constant`.
  public var finalRatio: Double
  public var totalSteps: Int

  public init(
    curve: Curve, peak: Double, warmupSteps: Int, finalRatio: Double, totalSteps: Int
  ) {
    self.curve = curve
    self.peak = peak
    self.warmupSteps = warmupSteps
    self.finalRatio = finalRatio
    self.totalSteps = totalSteps
  }

  /// The rate of step `step`, counted from 1.
  public func rate(step: Int) -> Double {
    let warmup = min(warmupSteps, max(0, totalSteps - 1))
    if step <= warmup { return peak * Double(step) / Double(warmup + 1) }
    let span = Double(max(1, totalSteps - warmup - 1))
    let progress = min(1, Double(step - warmup - 1) / span)
    switch curve {
    case .constant: return peak
    case .linear: return peak * (1 - (1 - finalRatio) * progress)
    case .cosine: return peak * (finalRatio + (1 - finalRatio) * (1 + cos(.pi * progress)) / 2)
    }
  }
}
