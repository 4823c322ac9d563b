import Records

extension LossCurve {
  /// Training time at the last validation; nil without validations.
  public var finalSeconds: Double? { points.last?.seconds }

  /// The loss after `seconds` of training: the base's loss before the first step, the final loss
  /// after the last one; nil without validations.
  public func loss(at seconds: Double) -> Double? {
    guard let next = points.first(where: { $0.seconds >= seconds }) else {
      return points.last?.loss
    }
    guard let last = points.last(where: { $0.seconds < seconds }) else { return next.loss }
    let share = (seconds - last.seconds) / (next.seconds - last.seconds)
    return last.loss + share * (next.loss - last.loss)
  }

  /// The first time at which the loss is at most `loss`; nil if it never is.
  public func seconds(toReach loss: Double) -> Double? {
    guard let index = points.firstIndex(where: { $0.loss <= loss }) else { return nil }
    let point = points[index]
    guard index > 0 else { return point.seconds }
    let before = points[index - 1]
    let share = (before.loss - loss) / (before.loss - point.loss)
    return before.seconds + share * (point.seconds - before.seconds)
  }

  /// The curve of the best snapshot so far: each point after the base has the lowest loss of any
  /// validation up to it.
  public var ofBestSnapshots: LossCurve {
    var best = Double.infinity
    return LossCurve(
      points.enumerated().map { index, point in
        guard index > 0 else { return point }
        best = min(best, point.loss)
        return Point(seconds: point.seconds, loss: best)
      })
  }
}
