/// Sequences of ids by what stands before their last one, which is to be read once.
struct SharedStems {
  struct Stem {
    /// All ids but the last.
    var ids: [Int32]
    /// The places of the sequences that go on from here.
    var sequences: [Int]
  }

  /// In the order of their first sequences.
  private(set) var stems: [Stem] = []

  init(_ sequences: [[Int32]]) {
    var places: [[Int32]: Int] = [:]
    for (index, ids) in sequences.enumerated() {
      let stem = Array(ids.dropLast())
      if let place = places[stem] {
        stems[place].sequences.append(index)
      } else {
        places[stem] = stems.count
        stems.append(Stem(ids: stem, sequences: [index]))
      }
    }
  }

  /// Tokens that are read, with those that fill windows up.
  var tokenCount: Int { stems.count * (stems.map(\.ids.count).max() ?? 0) }
}
