/// A step of a tokenizer.json's `pre_tokenizer`: what cuts a text into the words that are merged.
enum SplitStage: Sendable {
  /// What becomes of a pattern's matches and of the text between them.
  enum Behavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  /// Cuts at the matches of a pattern; inverted, the text between them counts as the matches.
  case split(SplitPattern, Behavior, inverted: Bool)
  /// Puts a space before a word that does not begin with one.
  case spaceBefore
}

/// The pieces that matches cut a text into.
struct SplitPieces {
  /// The pieces in order; some may be empty.
  private(set) var ranges: [Range<Int>] = []

  /// - Parameters:
  ///   - parts: matches, and what lies between them, in order.
  ///   - behavior: what becomes of them.
  init(_ parts: [(range: Range<Int>, isMatch: Bool)], _ behavior: SplitStage.Behavior) {
    switch behavior {
    case .isolated: ranges = parts.map(\.range)
    case .removed: ranges = parts.filter { !$0.isMatch }.map(\.range)
    case .contiguous: join(parts) { $0 == $1 }
    case .mergedWithPrevious: join(parts) { isMatch, follows in isMatch && !follows }
    case .mergedWithNext:
      join(parts.reversed()) { isMatch, follows in isMatch && !follows }
      ranges.reverse()
    }
  }

  /// Joins each part to the one before it where `joins` says so of both being matches.
  private mutating func join(
    _ parts: some Sequence<(range: Range<Int>, isMatch: Bool)>,
    _ joins: (_ isMatch: Bool, _ isMatchBefore: Bool) -> Bool
  ) {
    var before = false
    for part in parts {
      if let last = ranges.last, joins(part.isMatch, before) {
        let start = min(last.lowerBound, part.range.lowerBound)
        ranges[ranges.count - 1] = start..<max(last.upperBound, part.range.upperBound)
      } else {
        ranges.append(part.range)
      }
      before = part.isMatch
    }
  }
}
