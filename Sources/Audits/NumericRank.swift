#if canImport(Glibc)
  import Glibc
#endif

/// How many dimensions the rows of a difference span, beside the noise of rounding.
struct NumericRank {
  /// The singular values above the gap; all of them where there is no gap.
  let rank: Int
  /// What the rank can be at most: the smaller of rows and columns.
  let bound: Int
  /// The last singular value above the gap over the first below it; 1 where there is none, infinite
  /// where nothing is below.
  let gap: Double
  /// The largest singular value that rounding alone would give.
  let floor: Double

  /// How much larger the least of the rank's singular values must be than the next.
  static let clearGap = 2.0

  /// Whether the span is a part of the space only, and clearly so.
  var isClear: Bool { rank > 0 && rank < bound && gap >= Self.clearGap }

  /// Whether the span's weaker dimensions are lost in what storing has rounded, and the stronger ones
  /// are far from being the whole space.
  var isBuried: Bool { !isClear && rank > 0 && rank <= bound * 3 / 4 }

  /// Whether the span says anything about the inputs.
  var isApplicable: Bool { isClear || isBuried }

  /// The widest gap between neighbours of which the upper stands above the noise, and the lower is
  /// not far from it.
  ///
  /// - Parameters:
  ///   - values: singular values, largest first.
  ///   - noise: the root mean square of each row's rounding errors.
  init(_ values: [Double], noise: [Double], columns: Int) {
    bound = values.count
    let squares = noise.reduce(0) { $0 + $1 * $1 }
    // The largest singular value of a matrix of independent errors (Vershynin 2012, theorem 5.32).
    let largest = noise.max() ?? 0
    floor = squares.squareRoot() + largest * Double(columns).squareRoot()
    let least = max(floor, (values.first ?? 0) * 1e-14)
    var best = (rank: values.count { $0 > least }, gap: 1.0)
    for index in values.indices.dropLast() {
      let (upper, lower) = (values[index], values[index + 1])
      guard upper > 1.5 * least, lower < 30 * least else { continue }
      let gap = lower > 0 ? upper / lower : .infinity
      if gap > best.gap { best = (index + 1, gap) }
    }
    (rank, gap) = best
  }
}
