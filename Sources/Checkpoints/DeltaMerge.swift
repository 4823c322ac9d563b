import Configurations
import Storage
import Tensors

/// A checkpoint with deltas applied, computed row by row as it is read:
///
///     W = base + Σ X · (new − base)        W = base + Σ X · scale · B·A
///
/// over the deltas, X being each delta's scale. Sums are in double precision; a delta of values
/// with X = 1 gives those values bit for bit.
public struct DeltaMerge: Sendable {
  /// The checkpoint below.
  public let base: Checkpoint
  /// The deltas and their X, in the order they were given.
  public let deltas: [(delta: Delta, scale: Double)]
  private let contributions: [String: [Contribution]]

  private struct Contribution: Sendable {
    let entry: DeltaEntry
    let scale: Double
  }

  /// Checks that every delta belongs to `base`.
  /// - Throws: `CheckpointError.wrongBase`.
  public init(
    base: Checkpoint, deltas: [(delta: Delta, scale: Double)]
  ) throws(CheckpointError) {
    var contributions: [String: [Contribution]] = [:]
    for (delta, scale) in deltas {
      guard delta.baseHash == base.contentHash else {
        throw .wrongBase(
          delta: delta.path, expected: delta.baseHash, base: base.path, found: base.contentHash)
      }
      guard delta.baseConfiguration == base.configuration else {
        throw .damaged(
          path: delta.path, field: "base.configuration", found: "another configuration",
          expected: "the one of '\(base.path)'")
      }
      for entry in delta.entries {
        contributions[entry.name, default: []].append(Contribution(entry: entry, scale: scale))
      }
    }
    self.base = base
    self.deltas = deltas
    self.contributions = contributions
  }

  /// Whether any delta changes the parameter.
  public func isTouched(_ name: String) -> Bool { contributions[name] != nil }

  /// How the merged parameter is stored: the wider of the base's and the deltas' element types.
  public func elementType(of name: String) -> ElementType {
    guard let tensor = base.tensor(name) else {
      preconditionFailure("no parameter '\(name)' in \(base.path)")
    }
    return (contributions[name] ?? []).reduce(tensor.elementType) {
      wider($0, $1.entry.elementType)
    }
  }

  /// Merged rows of a parameter as `f32`; a gain or bias has rows of one element.
  public func rows(of name: String, _ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    base.rows(of: name, range, into: target)
    guard let tensor = base.tensor(name), let changes = contributions[name] else { return }
    let width = tensor.rowWidth
    let terms = changes.filter { $0.entry.rows.overlaps(range) }.map { Term($0.entry, $0.scale) }
    guard !terms.isEmpty else { return }
    var sum = [Double](repeating: 0, count: width)
    for row in range {
      let values = target + (row - range.lowerBound) * width
      var isFirst = true
      for term in terms where term.entry.rows.contains(row) {
        if isFirst { for i in 0..<width { sum[i] = Double(values[i]) } }
        term.add(row: row, base: values, isFirst: isFirst, to: &sum)
        isFirst = false
      }
      if !isFirst { for i in 0..<width { values[i] = Float(sum[i]) } }
    }
  }

  /// Writes the merged checkpoint.
  ///
  /// - Parameters:
  ///   - elementType: how matrices are stored; nil keeps what holds base and deltas exactly.
  ///   - metadata: the base's with the deltas' hashes and scales added, unless given.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public func write(
    to path: String, elementType: ElementType? = nil, metadata: JSONObject? = nil
  ) throws(CheckpointError) -> String {
    try CheckpointWriter.write(
      to: path, configuration: base.configuration, tokenizer: Array(base.tokenizerModel),
      metadata: metadata ?? mergedMetadata, elementType: .f32,
      override: { elementType ?? self.elementType(of: $0) },
      tensors: { (name) throws(CheckpointError) in
        base.releasePages()
        if !isTouched(name), let tensor = base.tensor(name) { return .stored(tensor) }
        return .rows { (range, target) throws(CheckpointError) in
          rows(of: name, range, into: target)
        }
      })
  }

  private var mergedMetadata: JSONObject {
    var metadata = base.metadata.object ?? [:]
    let applied = deltas.map { delta, scale -> JSONValue in
      ["content_hash": .string(delta.contentHash), "scale": .number(scale)]
    }
    metadata["base_content_hash"] = .string(base.contentHash)
    metadata["applied_deltas"] = .array(applied)
    return metadata
  }
}

extension Delta {
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

/// One entry's part in the rows being merged, its A widened once.
private struct Term {
  let entry: DeltaEntry
  private let scale: Double
  private let a: [Float]

  init(_ entry: DeltaEntry, _ scale: Double) {
    self.entry = entry
    self.scale = scale
    a = entry.encoding == .lowRank ? entry.tensors[0].widened() : []
  }

  func add(
    row: Int, base: UnsafeMutablePointer<Float>, isFirst: Bool, to sum: inout [Double]
  ) {
    let stored = stored(row)
    switch entry.encoding {
    case .values where scale == 1 && isFirst:
      for i in sum.indices { sum[i] = Double(stored[i]) }
    case .values:
      for i in sum.indices { sum[i] += scale * (Double(stored[i]) - Double(base[i])) }
    case .difference:
      for i in sum.indices { sum[i] += scale * Double(stored[i]) }
    case .lowRank:
      let width = sum.count
      for (r, b) in stored.enumerated() {
        let factor = scale * entry.scale * Double(b)
        for i in 0..<width { sum[i] += factor * Double(a[r * width + i]) }
      }
    }
  }

  /// The entry's row, or for low rank B's, as `f32`.
  private func stored(_ row: Int) -> [Float] {
    let tensor = entry.tensors[entry.tensors.count - 1]
    let index = row - entry.rows.lowerBound
    return [Float](unsafeUninitializedCapacity: tensor.rowWidth) { buffer, count in
      count = tensor.rowWidth
      if let start = buffer.baseAddress { tensor.widenRows(index..<(index + 1), into: start) }
    }
  }
}
