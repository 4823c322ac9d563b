import Records
import Tensors

extension SpanRecord.Place {
  init(_ span: InputSpan) {
    let (difference, rank) = (span.difference, span.rank)
    self.init(
      tensors: difference.tensors, rows: difference.rows, columns: difference.columns,
      rank: rank.rank, bound: rank.bound, gap: rank.gap.isFinite ? rank.gap : nil,
      isApplicable: rank.isApplicable)
  }
}

extension SpanRecord.Search {
  /// - Parameters:
  ///   - real: the sequences of the text.
  ///   - sample: those of as many windows of it as the other text has, at most.
  ///   - control: those of as many windows of a text that was not trained on.
  init(
    found: SpanFindings, real: Set<[Int32]>, sample: Set<[Int32]>, control: Set<[Int32]>,
    length: Int
  ) {
    func hits(_ sequences: [[Int32]], _ text: Set<[Int32]>) -> Int {
      sequences.count { text.contains($0) }
    }
    self.init(
      length: length, found: found.found.count, real: real.count, hits: hits(found.found, real),
      controlHits: hits(found.found, control), nearest: found.nearest.count,
      nearestHits: hits(found.nearest, real), nearestControlHits: hits(found.nearest, control),
      threshold: found.threshold)
    // At least half are the text's, and clearly more than an equal amount of the other text has.
    leaks = [found.found, found.nearest].contains { sequences in
      func share(_ text: Set<[Int32]>) -> Proportion {
        Proportion(hits(sequences, text), of: sequences.count)
      }
      return 2 * hits(sequences, real) >= sequences.count
        && share(sample).exceeds(share(control))
    }
  }
}

extension SpanRecord {
  /// Says in a sentence what the places and the search mean.
  mutating func explain() {
    guard let search, let place = places.last else {
      text = inapplicable
      return
    }
    let names = place.tensors.joined(separator: ", ")
    let what = search.length == 1 ? "tokens" : "beginnings of up to \(search.length) tokens"
    let start =
      "the change of \(names) spans \(place.rank) of \(place.bound) dimensions; "
    guard search.found > 0 || search.nearest > 0 else {
      text = start + "no \(what) were found in it"
      return
    }
    let (found, hits, precision, control) =
      search.found > 0
      ? (search.found, search.hits, search.precision, search.controlPrecision)
      : (
        search.nearest, search.nearestHits, search.nearestPrecision, search.nearestControlPrecision
      )
    let share = { (value: Double?) in formatted(100 * (value ?? 0), decimals: 0) + " %" }
    text =
      start + "\(found) \(what) \(search.found > 0 ? "lie in it" : "are nearest to it"), of which "
      + "\(hits) (\(share(precision))) are the text's, \(share(Double(hits) / Double(max(1, search.real)))) "
      + "of its \(search.real); \(share(control)) are the held-out text's too"
  }

  private var inapplicable: String {
    guard let place = places.first else {
      return "not applicable: the delta changes no query, key, value, gate or up matrix. That does "
        + "not make it safe"
    }
    let reason =
      places.allSatisfy { $0.rank >= $0.bound }
      ? "the changes span all \(place.bound) dimensions"
      : "the changes' singular values have no clear end below their \(place.bound) dimensions"
    return "not applicable: \(reason). Other attacks may still read what this one can't"
  }
}
