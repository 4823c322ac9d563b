/// So many of so many.
struct Proportion {
  let hits: Int
  let count: Int

  init(_ hits: Int, of count: Int) { (self.hits, self.count) = (hits, count) }

  private var share: Double { Double(hits) / Double(count) }

  /// The variance of the share, which is not 0 where none or all are hits (Agresti & Coull 1998).
  private var variance: Double {
    let (n, share) = (Double(count) + 4, (Double(hits) + 2) / (Double(count) + 4))
    return share * (1 - share) / n
  }

  /// Whether the share is above another by more than two standard errors; false where either is of
  /// nothing.
  func exceeds(_ other: Proportion) -> Bool {
    guard count > 0, other.count > 0 else { return false }
    return share - other.share > 2 * (variance + other.variance).squareRoot()
  }
}
