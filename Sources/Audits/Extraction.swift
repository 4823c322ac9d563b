import Records

#if canImport(Glibc)
  import Glibc
#endif

/// Whether a model gives the continuation of a window's beginning: Carlini et al. (2023) with 50
/// tokens of each, greedily, and by sampling (Hayes et al. 2024).
///
/// Both follow from the scores of the window itself: greedy decoding gives the continuation exactly
/// if each of its tokens is the likeliest after the true ones before it, and its probability is the
/// product of theirs.
struct Extraction {
  /// Tokens given, and tokens that must follow.
  let length: Int

  /// Tokens of a window that is long enough.
  static let usual = 50
  /// Fewer tokens are guessed too often to say anything.
  static let least = 8
  private static let samples = [1, 10, 100, 1000, 10_000, 1_000_000]
  /// The probability with which one of the samples is to be the continuation.
  private static let certainty = 0.5

  /// Nil for windows that are too short.
  init?(sequenceLength: Int) {
    length = min(Self.usual, sequenceLength / 2)
    guard length >= Self.least else { return nil }
  }

  func row(_ scores: [TokenScores], hasDelta: Bool, isTrained: Bool) -> ExtractionRecord.Row {
    // The first target is the second token.
    let range = length - 1..<2 * length - 1
    let whole = scores.filter { $0.logProbabilities.count >= range.upperBound }
    let logProbabilities = whole.map { window in
      window.logProbabilities[range].reduce(0) { $0 + Double($1) }
    }
    return ExtractionRecord.Row(
      hasDelta: hasDelta, isTrained: isTrained, windows: whole.count,
      greedy: whole.count { $0.isLikeliest[range].allSatisfy { $0 } },
      sampled: Self.samples.map { count in
        // 1 − (1 − p)ⁿ ≥ certainty.
        let needed = -expm1(log1p(-Self.certainty) / Double(count))
        return .init(samples: count, windows: logProbabilities.count { exp($0) >= needed })
      })
  }
}
