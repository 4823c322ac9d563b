/// Which characters the normalisation rules of a SentencePiece model can join or change, read off
/// the keys of its trie (`NormalizationRules`).
///
/// A rule that reaches over a place between two characters has both in its key, side by side. A
/// character stays itself if it is no rule's key alone and stands beside its neighbours in no key.
struct RuleNeighbours: Sendable {
  private var pairs = PairFilter()
  private var single: Set<UInt32> = []
  private var isComplete = true

  /// The most nodes that are visited, each once for every character that leads to it: several times
  /// those of NFKC with case folding.
  private static let visitLimit = 1 << 20

  /// No rules.
  init() {}

  /// - Parameter map: a `precompiled_charsmap` that passed the checks of `NormalizationRules`.
  init(_ map: [UInt8]) {
    map.withUnsafeBytes { bytes in
      let trie = RuleTrie(bytes)
      guard !trie.isEmpty else { return }
      var visits = Set<Visit>()
      var pending = [Visit(base: trie.root)]
      while let visit = pending.popLast() {
        guard visits.insert(visit).inserted else { continue }
        guard visits.count <= Self.visitLimit else {
          isComplete = false
          return
        }
        for label in 0...UInt8.max {
          guard let (next, endsRule) = trie.child(of: visit.base, by: label) else { continue }
          guard let following = follow(visit, label, to: next, endsRule) else {
            isComplete = false
            return
          }
          pending.append(following)
        }
      }
    }
  }

  /// Whether text may be cut between two characters, as far as rules go: none reaches over the
  /// place, and both characters stay what they are.
  ///
  /// - Parameters:
  ///   - before: the character before `left`.
  ///   - after: the character behind `right`.
  func allowsCut(before: UInt32, _ left: UInt32, _ right: UInt32, after: UInt32) -> Bool {
    isComplete && !single.contains(left) && !single.contains(right)
      && !pairs.contains(before, left) && !pairs.contains(left, right)
      && !pairs.contains(right, after)
  }

  /// A place in the trie, and what of a key led to it.
  private struct Visit: Hashable {
    var base: Int
    /// The last whole character of the key; nil if there is none yet.
    var last: UInt32?
    /// The bytes of a character that is not whole yet, the first one uppermost.
    var partial: UInt32 = 0
    var partialCount = 0
  }

  /// Reads one more byte of a key; nil where keys are no whole characters.
  private mutating func follow(
    _ visit: Visit, _ label: UInt8, to base: Int, _ endsRule: Bool
  ) -> Visit? {
    var bytes = (0..<visit.partialCount).map {
      UInt8(truncatingIfNeeded: visit.partial >> UInt32(8 * (visit.partialCount - 1 - $0)))
    }
    bytes.append(label)
    guard bytes.count <= 4 else { return nil }
    let scalar = bytes.withUnsafeBufferPointer { Neighbours.scalar(in: $0, at: 0) }
    guard let scalar else {
      guard !endsRule else { return nil }
      return Visit(
        base: base, last: visit.last, partial: visit.partial << 8 | UInt32(label),
        partialCount: bytes.count)
    }
    if let last = visit.last {
      pairs.insert(last, scalar)
    } else if endsRule {
      single.insert(scalar)
    }
    return Visit(base: base, last: scalar)
  }
}
