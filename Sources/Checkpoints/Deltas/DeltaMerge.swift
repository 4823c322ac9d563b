import Models
import Storage
import Tensors

/// A checkpoint with deltas applied, computed row by row as it is read:
///
///     W = base + Σ X · (new − base)        W = base + Σ X · scale · B·A
///
/// summed over the deltas, X being each delta's scale. Sums are in double precision; a delta that
/// stores values, applied with X = 1, gives those values bit for bit.
///
/// A delta with rows of `head` unties a tied base: the merged model gets a separate head, made of
/// the embedding's rows with the deltas' changes. A delta that changes `embedding` and has no head
/// rows was trained on the tied matrix, so its changes go into both. Biases that the base does not
/// have are zero in it; the merged model has them. Hidden units make all MLPs wider (`WiderMLPs`).
///
/// Matrices in int8 get new scales from their merged values, but for rows that a delta holds in
/// int8.
public struct DeltaMerge: Sendable {
  /// The base checkpoint.
  public let base: Checkpoint
  /// The deltas and their scales X, in the order given.
  public let deltas: [(delta: Delta, scale: Double)]
  /// The merged model's configuration: the base's with what the deltas add to it (`including`).
  public let configuration: ModelConfiguration
  private let contributions: [String: [Contribution]]
  private let widerMLPs: WiderMLPs

  struct Contribution: Sendable {
    let entry: DeltaEntry
    let scale: Double
  }

  /// Checks that every delta belongs to `base`, and that all of it can be merged.
  ///
  /// - Parameter leftOut: encodings whose changes are not merged, as the caller computes or copies
  ///   them beside the weights.
  /// - Throws: `CheckpointError.wrongBase`, `.alreadyMerged`, `.unsupported`.
  public init(
    base: Checkpoint, deltas: [(delta: Delta, scale: Double)], leftOut: Set<DeltaEncoding> = []
  ) throws(CheckpointError) {
    for (delta, _) in deltas {
      guard delta.baseHash == base.contentHash else {
        if base.mergedDeltas.contains(delta.identity) {
          throw .alreadyMerged(delta: delta.path, base: base.path)
        }
        throw .wrongBase(
          delta: delta.path, expected: delta.baseHash, base: base.path, found: base.contentHash)
      }
      guard delta.baseConfiguration == base.configuration else {
        throw .damaged(
          path: delta.path, field: "base.configuration", found: "another configuration",
          expected: "the one of '\(base.path)'")
      }
    }
    try Self.checkAllCanBeMerged(deltas, but: leftOut)
    let unties = base.configuration.tiedHead && deltas.contains { $0.delta.changesHead }
    self.base = base
    self.deltas = deltas
    contributions = Self.contributions(of: deltas, unties: unties)
    widerMLPs = WiderMLPs(leftOut.contains(.hiddenUnits) ? [] : deltas)
    var configuration = base.configuration.including(contributions.keys)
    configuration.hiddenWidth += widerMLPs.count
    if let problem = configuration.problem {
      throw .unsupported(
        path: deltas.first?.delta.path ?? base.path, field: "hidden units",
        found: "\(widerMLPs.count)", expected: "fewer: merged, \(problem)")
    }
    self.configuration = configuration
  }

  private static func checkAllCanBeMerged(
    _ deltas: [(delta: Delta, scale: Double)], but leftOut: Set<DeltaEncoding>
  ) throws(CheckpointError) {
    for (delta, _) in deltas {
      let others = delta.entries.first { entry in
        !entry.encoding.canBeMerged && !leftOut.contains(entry.encoding)
      }
      guard let entry = others else { continue }
      throw .unsupported(
        path: delta.path, field: "'\(entry.name)'", found: "a tensor that the base does not have",
        expected:
          "changes of the base's own tensors, which can be merged; eval and generate run the "
          + "delta beside the base")
    }
  }

  /// Every change to a tensor's own rows, by the tensor's name.
  ///
  /// - Parameter unties: whether a tied base gets a head of its own.
  static func contributions(
    of deltas: [(delta: Delta, scale: Double)], unties: Bool
  ) -> [String: [Contribution]] {
    var contributions: [String: [Contribution]] = [:]
    for (delta, scale) in deltas {
      let isTied = unties && !delta.changesHead
      for entry in delta.entries where entry.encoding.changesOwnTensors {
        let (table, head) = (ParameterRole.embedding.rawValue, ParameterRole.head.rawValue)
        let names = isTied && entry.name == table ? [table, head] : [entry.name]
        for name in names {
          contributions[name, default: []].append(Contribution(entry: entry, scale: scale))
        }
      }
    }
    return contributions
  }

  /// Whether any delta changes the parameter.
  public func isTouched(_ name: String) -> Bool {
    contributions[name] != nil || widerMLPs[name] != nil
  }

  /// The changes to a parameter that keeps its shape; nil if hidden units are added to it.
  func ownChanges(of name: String) -> [Contribution]? {
    widerMLPs[name] == nil ? contributions[name] ?? [] : nil
  }

  /// Element type of the merged parameter: the wider of the base's and the deltas'; f32 for
  /// integers beside anything else, whose scales no narrower type holds.
  public func elementType(of name: String) -> ElementType {
    let own = widerMLPs.addsValues(to: name) ? .f32 : origin(of: name).elementType
    let changes = contributions[name] ?? []
    let type = changes.reduce(own) { wider($0, $1.entry.elementType) }
    return type != .int8 && changes.contains { $0.entry.encoding == .integers } ? .f32 : type
  }

  /// The number of rows of the merged parameter, and their width; a gain or bias has rows of one
  /// element.
  func extents(of name: String) -> (rows: Int, width: Int) {
    let tensor = origin(of: name)
    guard let map = widerMLPs[name] else { return (tensor.rowCount, tensor.rowWidth) }
    return map.widensRows
      ? (tensor.rowCount, tensor.rowWidth + widerMLPs.count)
      : (tensor.rowCount + widerMLPs.count, tensor.rowWidth)
  }

  /// The base tensor that the deltas' changes to a parameter are added to.
  func origin(of name: String) -> StoredTensor {
    guard let tensor = base.origin(of: name) else {
      preconditionFailure("no parameter '\(name)' in \(base.path)")
    }
    return tensor
  }

  /// Merged rows of a parameter as `f32`; a gain or bias has rows of one element.
  public func rows(of name: String, _ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    rows(of: name, range, withUnits: true, into: target) { own, target in
      changedRows(of: name, own, into: target)
    }
  }

  /// The base's rows in the merged parameter's shape.
  func baseRows(of name: String, _ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    rows(of: name, range, withUnits: false, into: target) { own, target in
      origin(of: name).widenRows(own, into: target)
    }
  }

  private func rows(
    of name: String, _ range: Range<Int>, withUnits: Bool,
    into target: UnsafeMutablePointer<Float>,
    read: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
  ) {
    guard let map = widerMLPs[name] else { return read(range, target) }
    let tensor = origin(of: name)
    map.rows(
      range, own: (tensor.rowCount, tensor.rowWidth), count: widerMLPs.count,
      withUnits: withUnits, into: target, read: read)
  }

  /// The base's rows with the deltas' changes.
  private func changedRows(
    of name: String, _ range: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    let tensor = origin(of: name)
    tensor.widenRows(range, into: target)
    let changes = (contributions[name] ?? []).filter { $0.entry.rows.overlaps(range) }
    guard !changes.isEmpty else { return }
    let width = tensor.rowWidth
    var sum = [Double](repeating: 0, count: width)
    var sweep = MergeSweep(
      changes.map { change in
        (
          change.entry.rows,
          change.entry.encoding.rules.merger(of: change.entry, scale: change.scale)
        )
      })
    for row in range {
      let mergers = sweep.mergers(at: row)
      guard !mergers.isEmpty else { continue }
      let values = target + (row - range.lowerBound) * width
      for i in 0..<width { sum[i] = Double(values[i]) }
      for (index, merger) in mergers.enumerated() {
        merger.add(row: row, base: values, isFirst: index == 0, to: &sum)
      }
      for i in 0..<width { values[i] = Float(sum[i]) }
    }
  }

  /// Writes the merged checkpoint.
  ///
  /// - Parameters:
  ///   - elementType: element type of matrices; nil keeps one that holds base and deltas exactly.
  ///   - metadata: by default the base's without its source, plus the hashes of base and deltas and
  ///     the deltas' scales, behind those of deltas merged into the base before.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`; `.unusableWeight` for a merged value that is not finite, or that
  ///   the element type can't hold.
  @discardableResult
  public func write(
    to path: String, elementType: ElementType? = nil, metadata: JSONObject? = nil
  ) throws(CheckpointError) -> String {
    do {
      return try writeTensors(
        to: path, elementType: elementType, metadata: metadata ?? mergedMetadata)
    } catch .unusableWeight(let path, let tensor, let found, _) {
      throw .unusableWeight(
        path: path, tensor: tensor, found: found,
        expected:
          "finite values of base + scale · update; lower --scale, and score base and deltas "
          + "with 'sparseft eval'")
    }
  }

  private func writeTensors(
    to path: String, elementType: ElementType?, metadata: JSONObject
  ) throws(CheckpointError) -> String {
    try CheckpointWriter.write(
      to: path, configuration: configuration, tokenizer: base.tokenizer, metadata: metadata,
      elementType: .f32, override: { elementType ?? self.elementType(of: $0) },
      finiteSource: path,
      tensors: { (name) throws(CheckpointError) in
        base.releasePages()
        if !isTouched(name), let tensor = base.tensor(name) { return .stored(tensor) }
        let read: RowReader = { (range, target) throws(CheckpointError) in
          rows(of: name, range, into: target)
        }
        return integers(of: name).map { .integers(IntegerRows(read: read, integers: $0)) }
          ?? .rows(read)
      })
  }

  private var mergedMetadata: JSONObject {
    var metadata = SharedDescription.metadata(base.metadata)
    let applied = deltas.map { delta, scale -> JSONValue in
      var object: JSONObject = [
        "content_hash": .string(delta.contentHash), "scale": .number(scale),
      ]
      if delta.identity != delta.contentHash { object[Delta.originKey] = .string(delta.identity) }
      return .object(object)
    }
    metadata["base_content_hash"] = .string(base.contentHash)
    let earlier = metadata[Checkpoint.mergedDeltasKey]?.array ?? []
    metadata[Checkpoint.mergedDeltasKey] = .array(earlier + applied)
    return metadata
  }

  /// Refuses a delta that is given twice, in whatever element type.
  /// - Throws: `CheckpointError.repeatedDelta`.
  public static func checkRepeats(_ deltas: [Delta]) throws(CheckpointError) {
    var known: [String: Delta] = [:]
    for delta in deltas {
      if let other = known.updateValue(delta, forKey: delta.identity) {
        throw .repeatedDelta(path: delta.path, other: other.path, hash: delta.identity)
      }
    }
  }
}

extension Checkpoint {
  static let mergedDeltasKey = "applied_deltas"

  /// Identities of the deltas that were merged into these weights, oldest first.
  public var mergedDeltas: [String] {
    (metadata[Self.mergedDeltasKey]?.array ?? []).compactMap {
      ($0[Delta.originKey] ?? $0["content_hash"])?.string
    }
  }
}

extension Delta {
  /// Whether the delta holds rows of `head`.
  var changesHead: Bool { entries.contains { $0.name == ParameterRole.head.rawValue } }

  /// Writes `base` with deltas applied; see `DeltaMerge`.
  /// - Throws: `CheckpointError`, `.wrongBase` for a delta of another checkpoint.
  @discardableResult
  public static func apply(
    to base: Checkpoint, deltas: [(delta: Delta, scale: Double)],
    elementType: ElementType? = nil, output: String
  ) throws(CheckpointError) -> String {
    try DeltaMerge(base: base, deltas: deltas).write(to: output, elementType: elementType)
  }
}
