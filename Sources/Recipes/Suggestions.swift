/// Edits that turn `a` into `b`: insertions, deletions, substitutions and swaps of neighbours
/// (Damerau 1964, Levenshtein 1966; the restricted form, no edit within a swapped pair).
package func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a.unicodeScalars)
  let b = Array(b.unicodeScalars)
  var beforeLast = [Int](repeating: 0, count: b.count + 1)
  var last = Array(0...b.count)
  for i in 1..<(a.count + 1) {
    var row = [i] + [Int](repeating: 0, count: b.count)
    for j in 1..<(b.count + 1) {
      let cost = a[i - 1] == b[j - 1] ? 0 : 1
      row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
        row[j] = min(row[j], beforeLast[j - 2] + 1)
      }
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count]
}

/// The candidate nearest to `word` if at most a third of its letters (at least two) differ; the
/// first of equally near ones. `atMost` limits the edits, so that long words that share most of
/// their letters are not confused. Words too long to be a typing error get no suggestion.
package func nearest(to word: String, in candidates: [String], atMost: Int = .max) -> String? {
  guard word.utf8.count <= 200 else { return nil }
  let scored = candidates.map { (word: $0, distance: editDistance(word.lowercased(), $0)) }
  guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
  let limit = min(atMost, max(2, max(word.count, best.word.count) / 3))
  return best.distance <= limit && best.distance < best.word.count ? best.word : nil
}
