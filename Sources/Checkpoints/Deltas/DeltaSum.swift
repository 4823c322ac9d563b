import Models
import Storage
import Tensors

/// Several deltas of one base as one delta:
///
///     base + Σ w_i · (new_i − base)
///
/// It changes every row that any of them changes. What a single delta changes, with a weight of 1, is
/// copied as it is stored. Sums are in double precision and stored in f32. Rows stored as values
/// need the base's, unless their weights add up to 1, so that it cancels; with the base, rows that
/// several deltas change come out as `DeltaMerge` merges them, bit for bit. Low-rank factors are
/// stacked (`StackedFactors`), hidden units stand one after another.
public struct DeltaSum {
  private let deltas: [(delta: Delta, weight: Double)]
  private let base: DeltaBase
  private let merge: DeltaMerge?
  private let first: Delta

  /// Checks that all deltas are of the same base.
  ///
  /// - Parameters:
  ///   - deltas: at least one, each with a finite weight other than 0.
  ///   - checkpoint: the base, if it is at hand.
  /// - Throws: `CheckpointError.mismatch` for deltas of different bases, `.wrongBase` for another
  ///   `checkpoint`, `.unsupported` for tensors that can't be added up.
  public init(
    _ deltas: [(delta: Delta, weight: Double)], base checkpoint: Checkpoint? = nil
  ) throws(CheckpointError) {
    guard let first = deltas.first?.delta else { preconditionFailure("a sum of no deltas") }
    for (delta, _) in deltas where delta.baseHash != first.baseHash {
      throw .mismatch(
        path: delta.path, field: "content hash of its base", found: delta.baseHash,
        expected: "\(first.baseHash), as in '\(first.path)'",
        next: "only deltas of one checkpoint add up")
    }
    self.deltas = deltas
    self.first = first
    base = checkpoint.map { DeltaBase($0) } ?? DeltaBase(of: first)
    merge = try checkpoint.map { (checkpoint) throws(CheckpointError) in
      try DeltaMerge(
        base: checkpoint, deltas: deltas.map { ($0.delta, $0.weight) },
        leftOut: [.hiddenUnits, .tensor])
    }
    try checkTensors()
  }

  /// A tensor that the base does not have can't be scaled, nor added to another one.
  private func checkTensors() throws(CheckpointError) {
    let own = deltas.filter { $0.delta.entries.contains { $0.encoding == .tensor } }
    guard let last = own.last, own.count > 1 || last.weight != 1 else { return }
    let name = last.delta.entries.first { $0.encoding == .tensor }?.name ?? ""
    throw .unsupported(
      path: last.delta.path, field: "'\(name)'", found: "a tensor that the base does not have",
      expected: "at most one delta with such tensors, and that with a weight of 1")
  }

  /// Writes the sum. Method and recipe are kept where all deltas have the same; there are no
  /// metrics, since nothing was measured of it.
  ///
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`; `.missing` where the base is needed and not at hand.
  @discardableResult
  public func write(to path: String) throws(CheckpointError) -> String {
    var description = JSONObject()
    if deltas.allSatisfy({ $0.delta.method == first.method }) {
      description["method"] = SharedDescription.method(first.method)
    }
    if deltas.allSatisfy({ $0.delta.recipe == first.recipe }) {
      description["recipe"] = SharedDescription.recipe(first.recipe)
    }
    let parts = try changedParts() + unitParts() + tensorParts()
    return try DeltaWriter.write(
      to: path, base: base, description: description, parts: parts)
  }
}

// The entries of the sum.
extension DeltaSum {
  /// Changes of the base's own tensors, in the order of its parameters.
  private func changedParts() throws(CheckpointError) -> [[DeltaPart]] {
    let unties = base.configuration.tiedHead && deltas.contains { $0.delta.changesHead }
    let contributions = DeltaMerge.contributions(
      of: deltas.map { ($0.delta, $0.weight) }, unties: unties)
    var parts: [[DeltaPart]] = []
    for parameter in base.configuration.trainableParameters {
      guard let changes = contributions[parameter.name] else { continue }
      if changes.count == 1, changes[0].scale == 1 {
        parts.append(DeltaPart.copies(of: changes[0].entry, named: parameter.name, base))
      } else {
        let updates = try updates(of: parameter.name, changes)
        parts += updates.map { DeltaPart.parts(of: $0, base, .f32) }
      }
    }
    return parts
  }

  private func updates(
    of name: String, _ changes: [DeltaMerge.Contribution]
  ) throws(CheckpointError) -> [DeltaUpdate] {
    let factors = changes.filter { $0.entry.encoding == .lowRank }
    if factors.count == changes.count {
      let stacked = StackedFactors(changes.map { $0.entry.factors(weight: $0.scale) })
      return [stacked.update(of: name)]
    }
    // Factors change all rows, so rows that others change add to theirs everywhere.
    guard factors.isEmpty else {
      return [try combined(name, 0..<base.shape(of: name)[0], changes)]
    }
    let bounds = Set(changes.flatMap { [$0.entry.rows.lowerBound, $0.entry.rows.upperBound] })
      .sorted()
    var updates: [DeltaUpdate] = []
    for (first, end) in zip(bounds, bounds.dropFirst()) {
      let covering = changes.filter { $0.entry.rows.contains(first) }
      guard let change = covering.first else { continue }
      if covering.count == 1, change.scale == 1 {
        updates.append(Self.own(change.entry, name, first..<end))
      } else {
        updates.append(try combined(name, first..<end, covering))
      }
    }
    return updates
  }

  /// Rows that one delta alone changes.
  private static func own(
    _ entry: DeltaEntry, _ name: String, _ rows: Range<Int>
  ) -> DeltaUpdate {
    let read: RowReader = { (range, target) throws(CheckpointError) in
      let place = entry.rows.lowerBound
      entry.tensors[0].widenRows(
        range.lowerBound - place..<range.upperBound - place, into: target)
    }
    switch entry.encoding {
    case .integers: return DeltaUpdate(name: name, content: .integers(rows, entry.integerRows))
    case .difference: return DeltaUpdate(name: name, content: .differences(rows, read))
    default: return DeltaUpdate(name: name, content: .rows(rows, read))
    }
  }

  /// Rows that are summed up.
  private func combined(
    _ name: String, _ rows: Range<Int>, _ changes: [DeltaMerge.Contribution]
  ) throws(CheckpointError) -> DeltaUpdate {
    if let merge {
      return DeltaUpdate(
        name: name,
        content: .rows(rows) { (range, target) throws(CheckpointError) in
          merge.rows(of: name, range, into: target)
        })
    }
    let differences = changes.count { $0.entry.encoding == .difference }
    let sum: RowReader = { (range, target) throws(CheckpointError) in
      Self.sum(of: changes, range, into: target)
    }
    if differences == changes.count {
      return DeltaUpdate(name: name, content: .differences(rows, sum))
    }
    let cancels = abs(changes.reduce(0) { $0 + $1.scale } - 1) < Self.tolerance
    let areValues = changes.allSatisfy {
      $0.entry.encoding == .values || $0.entry.encoding == .integers
    }
    guard areValues, cancels else {
      let last = changes.count > 1 ? "several deltas change" : "a weight scales"
      throw .missing(
        path: first.path,
        what: "base model, which the sum needs: \(last) rows \(rows.lowerBound)–"
          + "\(rows.upperBound - 1) of \(name), and they are stored as values",
        next: "name the checkpoint with --model")
    }
    return DeltaUpdate(name: name, content: .rows(rows, sum))
  }

  /// How far from 1 the sum of weights may be for the base to cancel: below what f32 shows.
  private static let tolerance = 1e-9

  /// Σ weight · stored row.
  private static func sum(
    of changes: [DeltaMerge.Contribution], _ range: Range<Int>,
    into target: UnsafeMutablePointer<Float>
  ) {
    var place = target
    for row in range {
      var sum: [Double] = []
      for change in changes {
        let stored = change.entry.storedRow(row)
        if sum.isEmpty { sum = [Double](repeating: 0, count: stored.count) }
        for i in stored.indices { sum[i] += change.scale * Double(stored[i]) }
      }
      for i in sum.indices { place[i] = Float(sum[i]) }
      place += sum.count
    }
  }

  /// Hidden units, those of all deltas one after another; weights go into columns of down.
  private func unitParts() -> [[DeltaPart]] {
    var names: [String] = []
    var units: [String: [(entry: DeltaEntry, weight: Double)]] = [:]
    for (delta, weight) in deltas {
      for entry in delta.entries where entry.encoding == .hiddenUnits {
        if units[entry.name] == nil { names.append(entry.name) }
        units[entry.name, default: []].append((entry, weight))
      }
    }
    return names.map { name in
      let parts = units[name] ?? []
      if parts.count == 1, parts[0].weight == 1 {
        return DeltaPart.copies(of: parts[0].entry, named: name, base)
      }
      // Gate and up stand like A, down like B.
      let gate = StackedFactors(
        parts.map {
          .init(a: $0.entry.tensors[0], b: $0.entry.tensors[2], scale: $0.weight)
        })
      let up = StackedFactors(
        parts.map { .init(a: $0.entry.tensors[1], b: $0.entry.tensors[2], scale: 1) })
      let down = gate.scaledB
      let update = DeltaUpdate(
        name: name, content: .hiddenUnits(count: gate.rank, gate: gate.a, up: up.a, down: down))
      return DeltaPart.parts(of: update, base, .f32)
    }
  }

  private func tensorParts() -> [[DeltaPart]] {
    deltas.flatMap(\.delta.entries).filter { $0.encoding == .tensor }.map {
      DeltaPart.copies(of: $0, named: $0.name, base)
    }
  }
}
