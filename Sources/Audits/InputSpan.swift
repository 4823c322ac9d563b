import Tensors

/// The space that the inputs of a trained matrix lie in, as far as its difference shows it.
struct InputSpan {
  let difference: WeightDifference
  let rank: NumericRank
  /// Orthogonal vectors, [dimensions, columns]: of length 1, or where noise has no clear end shorter
  /// the less of a dimension is signal.
  private let basis: [Double]
  private let dimensions: Int

  init(_ difference: WeightDifference) throws(AuditError) {
    self.difference = difference
    let vectors = try RightSingularVectors(
      of: difference.values, rows: difference.rows, columns: difference.columns)
    rank = NumericRank(vectors.values, noise: difference.noise, columns: difference.columns)
    let floor = rank.floor
    let lengths: [Double] =
      rank.isClear
      ? Array(repeating: 1, count: rank.rank)
      // The share of a singular value's square that noise does not explain (Wiener 1949).
      : vectors.values.map { $0 / ($0 * $0 + floor * floor).squareRoot() }
    dimensions = lengths.count
    let columns = difference.columns
    var basis = Array(vectors.vectors.prefix(lengths.count * columns))
    for (row, length) in lengths.enumerated() where length != 1 {
      for index in row * columns..<(row + 1) * columns { basis[index] *= length }
    }
    self.basis = basis
  }

  /// How far vectors are from the span: ‖v − RᵀRv‖ / ‖v‖ (Petrov et al. 2024, section 3.2), 0 to 1.
  ///
  /// - Parameter inputs: a row for each vector, as wide as the matrix's input.
  func residuals(of inputs: [Double], count: Int) throws(AuditError) -> [Double] {
    let columns = difference.columns
    var vectors = inputs
    if let a = difference.projection {
      vectors = try productWithTransposed(
        inputs, a, m: count, n: columns, k: a.count / columns)
    }
    let shares = try productWithTransposed(
      vectors, basis, m: count, n: dimensions, k: columns)
    return (0..<count).map { row in
      func squares(_ values: [Double], _ width: Int) -> Double {
        values.withUnsafeBufferPointer { values in
          var sum = 0.0
          for index in row * width..<(row + 1) * width { sum += values[index] * values[index] }
          return sum
        }
      }
      let whole = squares(vectors, columns)
      guard whole > 0 else { return 1 }
      return (max(0, whole - squares(shares, dimensions)) / whole).squareRoot()
    }
  }
}

/// Which of many residuals are those of inputs in a span: those below the widest gap.
struct ResidualGap {
  /// Indices of the residuals below the gap, smallest first; none where no gap is clear.
  let below: [Int]
  /// All indices, smallest residual first.
  let order: [Int]
  /// The largest residual below the gap; 0 without any.
  let threshold: Double
  /// The first residual above the gap over the last below it.
  let ratio: Double

  /// How much further the next vector must be than the last that counts.
  private static let clearRatio = 2.0

  /// Residuals below this are all the same: they are what arithmetic in f32 leaves.
  private static let least = 1e-4

  /// - Parameters:
  ///   - most: how many can be in the span at most: its rank, if they are independent.
  ///   - isRatio: whether the widest gap is the one with the largest ratio. So it is where vectors that
  ///     are nearly right, such as a right token's behind wrong ones, are near the span too.
  init(_ residuals: [Double], most: Int, isRatio: Bool = false) {
    order = residuals.indices.sorted { residuals[$0] < residuals[$1] }
    // Distances differ by decades below the gap, by little above it, so it is the widest as a
    // difference, and must be wide as a ratio.
    var best = (count: 0, width: 0.0, ratio: 1.0)
    for count in 1..<max(1, min(most + 1, order.count)) {
      let (last, next) = (residuals[order[count - 1]], residuals[order[count]])
      let ratio = last > 0 ? next / last : .infinity
      let width = isRatio ? max(next, Self.least) / max(last, Self.least) - 1 : next - last
      if ratio >= Self.clearRatio, width > best.width { best = (count, width, ratio) }
    }
    below = Array(order.prefix(best.count))
    threshold = best.count > 0 ? residuals[order[best.count - 1]] : 0
    ratio = best.ratio
  }
}
