import Configurations
import Storage
import Tensors

/// A change that is to be written into a delta.
public struct DeltaUpdate {
  /// Where the change comes from.
  public enum Content {
    /// New rows; the reader is asked for rows as the whole parameter counts them.
    case rows(Range<Int>, RowReader)
    /// Factors for the whole matrix: new = base + scale · B·A with A `[rank, in]`, B `[out, rank]`.
    case lowRank(rank: Int, scale: Double, a: [Float], b: [Float])
  }

  /// The parameter's name.
  public let name: String
  /// Where the change comes from.
  public let content: Content

  public init(name: String, content: Content) {
    self.name = name
    self.content = content
  }
}

/// Writes `.sfdelta` files.
public enum DeltaWriter {
  /// Writes a delta; it appears under `path` whole or not at all.
  ///
  /// - Parameters:
  ///   - base: the checkpoint that was trained.
  ///   - elementType: `f32` stores new values, so applying is exact; `bf16` and `int8` store the
  ///     difference to the base. Gains and biases are always values in `f32`.
  ///   - updates: no two may change the same row. A tied base may get rows of `head`, which unties
  ///     it: they replace the embedding's rows in the head alone.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public static func write(
    to path: String, base: Checkpoint, method: JSONValue, recipe: JSONValue, metrics: JSONValue,
    elementType: ElementType, updates: [DeltaUpdate]
  ) throws(CheckpointError) -> String {
    let parts = updates.map { Part.parts(of: $0, base, elementType) }
    let tensors = parts.flatMap { $0 }
    let writer = ContainerWriter(
      kind: .delta,
      header: [
        "base": [
          "content_hash": .string(base.contentHash), "configuration": base.configuration.json,
        ],
        "method": method, "recipe": recipe, "metrics": metrics,
        "entries": .array(parts.compactMap { $0.first?.entry }),
      ],
      blobs: [], tensors: tensors.map(\.planned))
    return try writer.write(to: path) { (index) throws(CheckpointError) in
      base.releasePages()
      return tensors[index].source
    }
  }

  /// Writes a delta again with another element type.
  ///
  /// - Parameter base: the checkpoint that it was trained on.
  /// - Throws: `CheckpointError`, `.wrongBase` for another checkpoint.
  @discardableResult
  public static func convert(
    _ delta: Delta, base: Checkpoint, elementType: ElementType, to path: String
  ) throws(CheckpointError) -> String {
    let merge = try DeltaMerge(base: base, deltas: [(delta, 1)])
    let updates = delta.entries.map { entry in
      guard entry.encoding != .lowRank else {
        let (a, b) = (entry.tensors[0], entry.tensors[1])
        return DeltaUpdate(
          name: entry.name,
          content: .lowRank(
            rank: a.shape[0], scale: entry.scale, a: a.widened(), b: b.widened()))
      }
      return DeltaUpdate(
        name: entry.name,
        content: .rows(entry.rows) { (range, target) throws(CheckpointError) in
          merge.rows(of: entry.name, range, into: target)
        })
    }
    return try write(
      to: path, base: base, method: delta.method, recipe: delta.recipe, metrics: delta.metrics,
      elementType: elementType, updates: updates)
  }
}

/// A stored tensor of a delta; the first of an update carries the update's entry.
private struct Part {
  let entry: JSONValue?
  let planned: PlannedTensor
  let source: TensorSource

  static func parts(
    of update: DeltaUpdate, _ base: Checkpoint, _ elementType: ElementType
  ) -> [Part] {
    guard let tensor = base.origin(of: update.name) else {
      preconditionFailure("no parameter '\(update.name)' in \(base.path)")
    }
    switch update.content {
    case .rows(let range, let reader):
      return [rows(range, reader, of: tensor, named: update.name, elementType)]
    case .lowRank(let rank, let scale, let a, let b):
      let shape = tensor.shape
      precondition(
        shape.rank == 2 && a.count == rank * shape[1] && b.count == shape[0] * rank,
        "factors of \(update.name)")
      let entry: JSONValue = [
        "name": .string(update.name), "encoding": "low_rank", "scale": .number(scale),
      ]
      func part(_ entry: JSONValue?, _ suffix: String, _ shape: Shape, _ values: [Float]) -> Part {
        Part(
          entry: entry,
          planned: PlannedTensor(
            name: update.name + suffix, elementType: elementType, shape: shape),
          source: .values(values))
      }
      return [
        part(entry, ".lora_a", [rank, shape[1]], a), part(nil, ".lora_b", [shape[0], rank], b),
      ]
    }
  }

  private static func rows(
    _ range: Range<Int>, _ reader: @escaping RowReader, of tensor: StoredTensor,
    named name: String, _ elementType: ElementType
  ) -> Part {
    precondition(
      !range.isEmpty && range.lowerBound >= 0 && range.upperBound <= tensor.rowCount,
      "rows \(range) of \(name) \(tensor.shape)")
    let type = tensor.shape.rank == 2 ? elementType : .f32
    let encoding = type == .f32 ? DeltaEntry.Encoding.values : .difference
    let entry: JSONValue = [
      "name": .string(name), "encoding": .string(encoding.rawValue),
      "first_row": .int(range.lowerBound), "rows": .int(range.count),
    ]
    let planned = PlannedTensor(
      name: DeltaEntry.storedName(name, range, of: tensor.rowCount), elementType: type,
      shape: Shape([range.count] + tensor.shape.extents.dropFirst()))
    let source: RowReader = { (part, target) throws(CheckpointError) in
      let rows = (part.lowerBound + range.lowerBound)..<(part.upperBound + range.lowerBound)
      try reader(rows, target)
      guard encoding == .difference else { return }
      let old = [Float](unsafeUninitializedCapacity: rows.count * tensor.rowWidth) {
        buffer, count in
        count = buffer.count
        if let start = buffer.baseAddress { tensor.widenRows(rows, into: start) }
      }
      for i in old.indices { target[i] -= old[i] }
    }
    return Part(entry: entry, planned: planned, source: .rows(source))
  }
}
