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
    try Canaries.repeats.indices.map { canary in
      let secret = canaries.candidates(canary).secret
      let (ids, first) = try Self.numbers(canaries, canary, model.tokenizer)
      let scorer = try WindowScorer(model, tokens: max(1, (ids.map(\.count).max() ?? 1) - 1))
      let sums = try scorer.logProbabilities(of: ids, from: first)
      let rank = Canaries.rank(of: secret, logProbabilities: sums)
      return ExposureRecord.Row(
        shadow: shadow, repeats: Canaries.repeats[canary], rank: rank,
        bits: log2(Double(ids.count)) - log2(Double(rank)))
    }
  }

  /// Tokens that a shadow's model reads for all of its canaries.
  ///
  /// - Throws: what encoding throws.
  static func tokenCount(_ canaries: Canaries, _ tokenizer: any Tokenizer) throws -> Int {
    try Canaries.repeats.indices.reduce(0) { sum, canary in
      sum + SharedStems(try numbers(canaries, canary, tokenizer).ids).tokenCount
    }
  }

  /// The ids of a canary's candidates to the end of their numbers, and the place where they begin to
  /// differ: what all begin with adds the same to each one's probability, and what all end with tells
  /// nothing of the number.
  private static func numbers(
    _ canaries: Canaries, _ canary: Int, _ tokenizer: any Tokenizer
  ) throws -> (ids: [[Int32]], first: Int) {
    let begin = tokenizer.beginOfSequence.map { [$0] } ?? []
    let ids = try canaries.candidates(canary).sentences.map {
      begin + (try tokenizer.encode($0))
    }
    let first = sharedLength(ids)
    let shortest = ids.map(\.count).min() ?? 0
    let end = min(
      sharedLength(ids.map { $0.dropFirst(first).reversed() }), max(0, shortest - first - 1))
    return (ids.map { $0.dropLast(end) }, max(1, first))
  }

  /// How many ids all sequences begin with.
  private static func sharedLength(_ sequences: [[Int32]]) -> Int {
    guard let first = sequences.first else { return 0 }
    return first.indices.first { place in
      !sequences.allSatisfy { place < $0.count && $0[place] == first[place] }
    } ?? first.count
  }
}
