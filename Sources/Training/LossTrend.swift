import Tensors

/// Notices that a training loss rises again after it had fallen: most often the learning rate is too
/// high for the model.
///
/// The means of the last ten steps' losses are compared with the lowest such mean so far, or with
/// the mean of the first three, before a rate that is far too high had its effect. A rise counts if
/// it is more than a twentieth of that, and more than six standard errors of the difference, so that
/// the scatter of batches is none.
public struct LossTrend: Sendable {
  /// A rise: the step of the lowest mean, that mean, and the present one.
  public struct Rise: Hashable, Sendable {
    public var step: Int
    public var lowest: Double
    public var now: Double
  }

  /// Losses in a mean.
  static let width = 10
  private static let firstLosses = 3
  private static let smallestShare = 0.05
  private static let standardErrors = 6.0

  private var recent: [Double] = []
  private var lowest: (step: Int, mean: Double, variance: Double)?
  private var hasRisen = false

  public init() {}

  /// Takes the loss of a step; returns a rise once, when it is first seen.
  ///
  /// - Parameter isWarm: whether the step lies behind the schedule's warm-up. Before that the loss
  ///   sets the lowest mean only.
  public mutating func add(_ loss: Double, step: Int, isWarm: Bool) -> Rise? {
    recent.append(loss)
    if recent.count > Self.width { recent.removeFirst() }
    guard recent.count == Self.width || (lowest == nil && recent.count == Self.firstLosses) else {
      return nil
    }
    let count = Double(recent.count)
    let mean = recent.reduce(0, +) / count
    let variance = recent.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    guard let best = lowest, mean >= best.mean else {
      lowest = (step, mean, variance)
      return nil
    }
    let error = ((variance + best.variance) / Double(Self.width)).squareRoot()
    let isRise =
      mean - best.mean > max(Self.smallestShare * best.mean, Self.standardErrors * error)
    guard isWarm, isRise, !hasRisen, step - best.step >= Self.width else { return nil }
    hasRisen = true
    return Rise(step: best.step, lowest: best.mean, now: mean)
  }
}
