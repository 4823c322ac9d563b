import Records
import Runs
import Tokenizers

#if canImport(Glibc)
  import Glibc
#endif

/// How well a shadow run's model knows the secrets in its text.
struct Exposure {
  let model: LoadedModel
  let canaries: Canaries
  /// Which shadow run.
  let shadow: Int

  /// - Throws: what encoding and scoring throw.
  func rows() throws -> [ExposureRecord.Row] {
    let tokenizer = model.tokenizer
    let begin = tokenizer.beginOfSequence.map { [$0] } ?? []
    return try Canaries.repeats.indices.map { canary in
      let (sentences, secret) = canaries.candidates(canary)
      let ids = try sentences.map { begin + (try tokenizer.encode($0)) }
      let length = max(1, (ids.map(\.count).max() ?? 1) - 1)
      let shared = Self.sharedLength(ids)
      let scorer = try WindowScorer(model, tokens: length)
      let scores =
        try scorer.scores(ids.map { Self.window($0, length: length, scoredFrom: shared) }) ?? []
      let sums = scores.map { $0.logProbabilities.reduce(0) { $0 + Double($1) } }
      let rank = Canaries.rank(of: secret, logProbabilities: sums)
      return ExposureRecord.Row(
        shadow: shadow, repeats: Canaries.repeats[canary], rank: rank,
        bits: log2(Double(sentences.count)) - log2(Double(rank)))
    }
  }

  /// How many ids all sequences begin with: they add the same to each one's probability.
  private static func sharedLength(_ sequences: [[Int32]]) -> Int {
    guard let first = sequences.first else { return 0 }
    return first.indices.first { place in
      !sequences.allSatisfy { place < $0.count && $0[place] == first[place] }
    } ?? first.count
  }

  /// A sequence as a window of its own, filled up.
  private static func window(
    _ ids: [Int32], length: Int, scoredFrom shared: Int
  ) -> TextWindows.Window {
    let filler = max(0, length - (ids.count - 1))
    let (zeros, none) = (
      [Int32](repeating: 0, count: filler), [Int32](repeating: -1, count: filler)
    )
    let targets = ids.indices.dropFirst().map { $0 < shared ? -1 : ids[$0] }
    return TextWindows.Window(
      inputs: ids.dropLast() + zeros, targets: targets + none,
      documentStarts: [Int32](repeating: 0, count: length))
  }
}
