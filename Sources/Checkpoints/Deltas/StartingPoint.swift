import Models
import Storage
import Tensors

// What a run trains that starts from a base with deltas: as a delta of the base, which stands for
// itself, and as the difference that the run made.
extension DeltaMerge {
  /// What training changed of the merged model as changes of the base: the trained rows, and what the
  /// deltas had changed and training did not. Factors are stacked on those of the deltas.
  ///
  /// - Parameter updates: of a model that was trained from the merged weights.
  public func completing(_ updates: [DeltaUpdate]) -> [DeltaUpdate] {
    guard !deltas.isEmpty else { return updates }
    var (own, trained): ([DeltaUpdate], [String: [Range<Int>]]) = ([], [:])
    for update in updates {
      let whole = completed(update)
      own.append(whole)
      trained[update.name, default: []] += whole.changedRows.map { [$0] } ?? []
    }
    let unties = configuration.tiedHead && trained[ParameterRole.head.rawValue] != nil
    let carried = base.configuration.trainableParameters.flatMap { parameter in
      carriedOver(parameter, beside: trained[parameter.name], unties: unties)
    }
    return own + carried
  }

  /// One update with what the deltas say of the same matrix.
  private func completed(_ update: DeltaUpdate) -> DeltaUpdate {
    guard case .lowRank(let rank, let scale, let a, let b) = update.content,
      let changes = ownChanges(of: source(of: update.name)), !changes.isEmpty
    else { return update }
    let origin = origin(of: update.name)
    let new = StackedFactors.Part(rank: rank, width: origin.rowWidth, a: a, b: b, scale: scale)
    if changes.allSatisfy({ $0.entry.encoding == .lowRank }) {
      let parts = changes.map { $0.entry.factors(weight: $0.scale) }
      return StackedFactors(parts + [new]).update(of: update.name)
    }
    return DeltaUpdate(
      name: update.name,
      content: .rows(0..<origin.rowCount) { (range, target) throws(CheckpointError) in
        rows(of: source(of: update.name), range, into: target)
        try new.addProduct(of: range, to: target)
      })
  }

  /// What the deltas changed of a parameter in rows that training did not change.
  ///
  /// - Parameters:
  ///   - trained: the trained rows; nil for none.
  ///   - unties: whether training gave a tied model a head of its own, which starts from the merged
  ///     embedding.
  private func carriedOver(
    _ parameter: ParameterDescription, beside trained: [Range<Int>]?, unties: Bool
  ) -> [DeltaUpdate] {
    let isNewHead = unties && parameter.name == ParameterRole.head.rawValue
    let source = isNewHead ? ParameterRole.embedding.rawValue : parameter.name
    guard let changes = ownChanges(of: source), !changes.isEmpty else { return [] }
    if trained == nil, changes.allSatisfy({ $0.entry.encoding == .lowRank }) {
      return [
        StackedFactors(changes.map { $0.entry.factors(weight: $0.scale) })
          .update(of: parameter.name)
      ]
    }
    let read: RowReader = { (range, target) throws(CheckpointError) in
      rows(of: source, range, into: target)
    }
    return Self.union(changes.map(\.entry.rows)).flatMap {
      Self.parts(of: $0, outside: trained ?? [])
    }.map { DeltaUpdate(name: parameter.name, content: .rows($0, read)) }
  }

  /// The ranges with those that touch or overlap joined, in order.
  private static func union(_ ranges: [Range<Int>]) -> [Range<Int>] {
    var joined: [Range<Int>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = joined.last, range.lowerBound <= last.upperBound {
        joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        joined.append(range)
      }
    }
    return joined
  }

  /// The parts of a range that are outside of others.
  private static func parts(of range: Range<Int>, outside others: [Range<Int>]) -> [Range<Int>] {
    var (parts, first): ([Range<Int>], Int) = ([], range.lowerBound)
    for other in union(others) where other.overlaps(range) {
      if other.lowerBound > first { parts.append(first..<other.lowerBound) }
      first = max(first, other.upperBound)
    }
    if first < range.upperBound { parts.append(first..<range.upperBound) }
    return parts
  }
}

extension DeltaUpdate {
  /// The rows of one of the base's own tensors that the update changes; nil for other changes.
  fileprivate var changedRows: Range<Int>? {
    switch content {
    case .rows(let rows, _), .integers(let rows, _), .differences(let rows, _): rows
    case .lowRank: 0..<Int.max
    case .hiddenUnits, .tensor: nil
    }
  }
}

extension StackedFactors.Part {
  /// Adds rows of c·B·A `[out, width]`.
  fileprivate func addProduct(
    of range: Range<Int>, to target: UnsafeMutablePointer<Float>
  ) throws(CheckpointError) {
    var left = [Float](repeating: 0, count: rank * width)
    try Self.fill(&left, 0..<rank, a)
    var row = [Float](repeating: 0, count: rank)
    for index in range {
      try Self.fill(&row, index..<index + 1, b)
      let values = target + (index - range.lowerBound) * width
      for i in 0..<width {
        let sum = (0..<rank).reduce(0.0) { $0 + Double(row[$1]) * Double(left[$1 * width + i]) }
        values[i] = Float(Double(values[i]) + scale * sum)
      }
    }
  }

  private static func fill(
    _ values: inout [Float], _ rows: Range<Int>, _ read: RowReader
  ) throws(CheckpointError) {
    let copy = UnsafeMutablePointer<Float>.allocate(capacity: values.count)
    defer { copy.deallocate() }
    try read(rows, copy)
    for i in values.indices { values[i] = copy[i] }
  }
}

extension DeltaWriter {
  /// Writes what a run changed of the model that it started from: of rows the difference from the
  /// merged ones, of factors those that the run trained. Added to the starting deltas it is what was
  /// trained. Rows that are only carried over from the starting deltas are left out.
  ///
  /// - Parameters:
  ///   - delta: what the run wrote.
  ///   - start: the base with the deltas that the run started from; without any, the result is the
  ///     difference from the base.
  ///   - elementType: of the differences of matrices, and of factors.
  /// - Throws: `CheckpointError`, `.wrongBase` for another checkpoint.
  @discardableResult
  public static func writeDifference(
    of delta: Delta, from start: DeltaMerge, elementType: ElementType, to path: String
  ) throws(CheckpointError) -> String {
    let merge = try DeltaMerge(
      base: start.base, deltas: [(delta, 1)], leftOut: [.hiddenUnits, .tensor])
    let base = DeltaBase(start.base)
    let parts = delta.entries.compactMap { entry -> [DeltaPart]? in
      switch entry.encoding {
      case .values, .integers, .difference:
        merge.difference(of: entry, from: start).map { DeltaPart.parts(of: $0, base, elementType) }
      case .lowRank:
        start.newFactors(of: entry).map { DeltaPart.parts(of: $0, base, elementType) }
      case .hiddenUnits, .tensor: DeltaPart.copies(of: entry, named: entry.name, base)
      }
    }
    let description: JSONObject = [
      "method": SharedDescription.method(delta.method),
      "recipe": SharedDescription.recipe(delta.recipe),
      "metrics": SharedDescription.metrics(delta.metrics),
    ]
    return try write(to: path, base: base, description: description, parts: parts)
  }
}

extension DeltaMerge {
  /// The name of the tensor that holds a parameter's merged values: a head that only training gave
  /// the model starts from the embedding.
  fileprivate func source(of name: String) -> String {
    configuration.tiedHead && name == ParameterRole.head.rawValue
      ? ParameterRole.embedding.rawValue : name
  }

  /// The rows of an entry minus those that a run started from; nil where the run only carried them
  /// over.
  fileprivate func difference(of entry: DeltaEntry, from start: DeltaMerge) -> DeltaUpdate? {
    let source = start.source(of: entry.name)
    let width = origin(of: entry.name).rowWidth
    let read: RowReader = { (range, target) throws(CheckpointError) in
      rows(of: entry.name, range, into: target)
      let old = UnsafeMutablePointer<Float>.allocate(capacity: range.count * width)
      defer { old.deallocate() }
      start.rows(of: source, range, into: old)
      for i in 0..<range.count * width { target[i] -= old[i] }
    }
    if start.isTouched(source) {
      let row = UnsafeMutablePointer<Float>.allocate(capacity: width)
      defer { row.deallocate() }
      let isChanged = entry.rows.contains { index in
        do throws(CheckpointError) { try read(index..<index + 1, row) } catch { return true }
        return (0..<width).contains { row[$0] != 0 }
      }
      guard isChanged else { return nil }
    }
    return DeltaUpdate(name: entry.name, content: .differences(entry.rows, read))
  }

  /// The factors that a run stacked on those that it started from; nil where it only carried those
  /// over.
  fileprivate func newFactors(of entry: DeltaEntry) -> DeltaUpdate? {
    let (a, b) = (entry.tensors[0], entry.tensors[1])
    let changes = ownChanges(of: source(of: entry.name)) ?? []
    let known = changes.reduce(0) { $0 + $1.entry.tensors[0].rowCount }
    let rank = a.rowCount - known
    guard rank > 0 else { return nil }
    return DeltaUpdate(
      name: entry.name,
      content: .lowRank(
        rank: rank, scale: entry.scale,
        a: .rows { (range, target) throws(CheckpointError) in
          a.widenRows(range.lowerBound + known..<range.upperBound + known, into: target)
        },
        b: .rows { (range, target) throws(CheckpointError) in
          for row in range {
            let values = b.widened(row: row)
            let place = target + (row - range.lowerBound) * rank
            for i in 0..<rank { place[i] = values[known + i] }
          }
        }))
  }
}
