import Records

/// Figures over the items of a data set, and differences between two models paired by item, with
/// 95 % intervals.
public enum ItemStatistics {
  /// The normal distribution's 97.5 % point.
  static let normalQuantile = 1.959963984540054

  /// The share of hits with Wilson's score interval (1927).
  public static func share(_ hits: [Bool]) -> EstimateRecord {
    let count = Double(hits.count)
    let share = Double(hits.count { $0 }) / count
    let z = normalQuantile
    let scale = 1 / (1 + z * z / count)
    let middle = scale * (share + z * z / (2 * count))
    let half = scale * z * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot()
    return EstimateRecord(share, max(0, middle - half)...min(1, middle + half))
  }

  /// The difference of two shares of the same items with Agresti and Min's interval (2005): Wald's for
  /// McNemar's table with half an item added to each of its four cells, so that a few items without a
  /// difference do not make an interval of no width.
  public static func difference(_ hits: [Bool], minus other: [Bool]) -> EstimateRecord {
    let pairs = zip(hits, other)
    let (gained, lost) = (pairs.count { $0 && !$1 }, pairs.count { !$0 && $1 })
    let count = Double(hits.count + 2)
    let middle = Double(gained - lost) / count
    let spread = Double(gained + lost + 1) - Double((gained - lost) * (gained - lost)) / count
    let half = normalQuantile * spread.squareRoot() / count
    return EstimateRecord(
      Double(gained - lost) / Double(hits.count), max(-1, middle - half)...min(1, middle + half))
  }

  /// Summed losses over summed tokens, with the interval of a ratio: t · s / (√n · mean tokens), s the
  /// standard deviation of the items' losses minus the ratio times their tokens, t Student's with n − 1
  /// degrees of freedom. Differences of losses are such a ratio too: of the items' differences.
  ///
  /// - Parameter tokens: of each item; some are above 0.
  public static func ratio(_ losses: [Double], over tokens: [Int]) -> EstimateRecord {
    let total = Double(tokens.reduce(0, +))
    let ratio = losses.reduce(0, +) / total
    let count = losses.count
    guard count > 1 else { return EstimateRecord(ratio, nil) }
    let squares = zip(losses, tokens).reduce(0) { sum, item in
      let rest = item.0 - ratio * Double(item.1)
      return sum + rest * rest
    }
    let quantile = StudentT.quantile(confidence: 0.95, degreesOfFreedom: min(1000, count - 1))
    let half = quantile * (squares * Double(count) / Double(count - 1)).squareRoot() / total
    return EstimateRecord(ratio, half.isFinite ? ratio - half...ratio + half : nil)
  }
}
