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
  ///   - real: the sequences of the text, each once.
  ///   - control: those of a text that was not trained on.
  init(
    found: SpanFindings, real: some Sequence<[Int32]>, control: some Sequence<[Int32]>, length: Int
  ) {
    let (real, control) = (Set(real), Set(control))
    func hits(_ sequences: [[Int32]], _ text: Set<[Int32]>) -> Int {
      sequences.count { text.contains($0) }
    }
    self.init(
      length: length, found: found.found.count, real: real.count, hits: hits(found.found, real),
      controlHits: hits(found.found, control), nearest: found.nearest.count,
      nearestHits: hits(found.nearest, real), nearestControlHits: hits(found.nearest, control),
      threshold: found.threshold)
    leaks =
      Self.isRead(self.hits, self.controlHits, of: self.found)
      || Self.isRead(self.nearestHits, self.nearestControlHits, of: self.nearest)
  }

  /// Whether so many hits are at least half, and clearly more than the other text has.
  private static func isRead(_ hits: Int, _ control: Int, of count: Int) -> Bool {
    2 * hits >= count
      && Proportion(hits, of: count).exceeds(Proportion(control, of: count))
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
