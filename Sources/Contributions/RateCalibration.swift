import Tensors
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// A learning rate found by a few short runs at rates spaced by factors of two.
///
/// The first two rates are a guess and half of it; rates are added at the better end until the best
/// one is no longer at an end. The result is the vertex of the parabola through the best rate and
/// its neighbours (loss against the logarithm of the rate).
///
/// Short runs with a schedule of their own find nearly the rate of long ones; see
/// docs/selection.md.
public struct RateCalibration: Hashable, Sendable {
  /// One short run.
  public struct Point: Hashable, Sendable {
    public var rate: Double
    /// Held-out loss after it, in nats; infinite if it diverged.
    public var loss: Double
  }

  /// From the lowest rate up.
  public private(set) var points: [Point] = []
  /// The resulting rate.
  public private(set) var rate: Double

  /// The factor between neighbouring rates.
  public static let factor = 2.0

  /// - Parameters:
  ///   - guess: the first rate.
  ///   - maximumRuns: at least 3; no rates are added beyond that.
  ///   - loss: trains a short run at a rate and returns the held-out loss.
  public init(
    around guess: Double, maximumRuns: Int,
    loss: (Double) throws(TrainingError) -> Double
  ) throws(TrainingError) {
    precondition(guess > 0 && guess.isFinite && maximumRuns >= 3, "calibrating around \(guess)")
    rate = guess
    for rung in [guess / Self.factor, guess] {
      points.append(Point(rate: rung, loss: try loss(rung)))
    }
    while points.count < maximumRuns, let rung = nextRung {
      points.append(Point(rate: rung, loss: try loss(rung)))
      points.sort { $0.rate < $1.rate }
    }
    rate = vertex
  }

  /// Index of the lowest loss; among equal losses, of the lowest rate.
  private var best: Int {
    points.indices.min { points[$0].loss < points[$1].loss } ?? 0
  }

  /// The rate beyond the end that is best so far; nil once the best is not at an end.
  private var nextRung: Double? {
    switch best {
    case 0: points[0].rate / Self.factor
    case points.count - 1: points[points.count - 1].rate * Self.factor
    default: nil
    }
  }

  private var vertex: Double {
    let middle = points[best]
    guard points.indices.contains(best - 1), points.indices.contains(best + 1) else {
      return middle.rate
    }
    let (low, high) = (points[best - 1].loss, points[best + 1].loss)
    let curvature = low - 2 * middle.loss + high
    guard curvature.isFinite, curvature > 0 else { return middle.rate }
    let shift = 0.5 * (low - high) / curvature
    return middle.rate * pow(Self.factor, max(-1, min(1, shift)))
  }
}
