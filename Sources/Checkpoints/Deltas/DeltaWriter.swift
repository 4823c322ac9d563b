import Models
import Storage
import Tensors

/// A change to be written to a delta.
public struct DeltaUpdate {
  /// The data of a change.
  public enum Content {
    /// New rows; the reader is called with row indices of the whole parameter.
    case rows(Range<Int>, RowReader)
    /// New rows of a matrix that was trained in int8, by their index in the whole parameter.
    case integers(Range<Int>, IntegerRows)
    /// Factors for the whole matrix: new = base + scale · B·A with A `[rank, in]`, B `[out, rank]`.
    case lowRank(rank: Int, scale: Double, a: TensorSource, b: TensorSource)
    /// More hidden units of a gated MLP of width D: gate and up `[count, D]`, down `[D, count]`.
    case hiddenUnits(count: Int, gate: TensorSource, up: TensorSource, down: TensorSource)
    /// A new tensor that the base does not have.
    case tensor(Shape, TensorSource)
  }

  /// The parameter's name, the MLP's path, or the new tensor's name.
  public let name: String
  /// The data of the change.
  public let content: Content

  public init(name: String, content: Content) {
    self.name = name
    self.content = content
  }
}

/// Writes `.sfdelta` files. Deltas are made to be shared: of method, recipe and metrics they store
/// only the training settings and figures, never a path, a person's name or text.
public enum DeltaWriter {
  /// Writes a delta; `path` gets the complete file or is left unchanged.
  ///
  /// - Parameters:
  ///   - base: the checkpoint that was trained.
  ///   - elementType: `f32` stores new values, so applying is exact; `bf16` and `int8` store the
  ///     difference from the base. Gains and biases are always stored as `f32` values, rows that
  ///     were trained in int8 as they are.
  ///   - origin: the identity of the delta that this one is written from; nil for a new one.
  ///   - updates: no two may change the same row. Rows of `head` are allowed for a tied base and
  ///     untie it: they replace the embedding's rows in the head only.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public static func write(
    to path: String, base: Checkpoint, method: JSONValue, recipe: JSONValue, metrics: JSONValue,
    elementType: ElementType, origin: String? = nil, updates: [DeltaUpdate]
  ) throws(CheckpointError) -> String {
    let parts = updates.map { Part.parts(of: $0, base, elementType) }
    let tensors = parts.flatMap { $0 }
    var header: JSONObject = [
      "base": [
        "content_hash": .string(base.contentHash), "configuration": base.configuration.json,
      ],
      "method": SharedDescription.method(method), "recipe": SharedDescription.recipe(recipe),
      "metrics": SharedDescription.metrics(metrics),
      "entries": .array(parts.compactMap { $0.first?.entry }),
    ]
    if let origin { header[Delta.originKey] = .string(origin) }
    let writer = ContainerWriter(
      kind: .delta, header: header, blobs: [], tensors: tensors.map(\.planned))
    return try writer.write(to: path) { (index) throws(CheckpointError) in
      base.releasePages()
      return tensors[index].source
    }
  }

  /// Rewrites a delta in another element type. It stays known as the same change
  /// (`Delta.identity`).
  ///
  /// - Parameters:
  ///   - base: the checkpoint that it was trained on.
  ///   - elementType: of all changes, also of rows that were trained in int8: f32 keeps their
  ///     values, bf16 and int8 round their difference from the base. Nil keeps such rows as they
  ///     are, and stores others in f32.
  /// - Throws: `CheckpointError`, `.wrongBase` for another checkpoint.
  @discardableResult
  public static func convert(
    _ delta: Delta, base: Checkpoint, elementType: ElementType?, to path: String
  ) throws(CheckpointError) -> String {
    let merge = try DeltaMerge(base: base, deltas: [(delta, 1)], leftOut: [.hiddenUnits, .tensor])
    let updates = delta.entries.map { entry -> DeltaUpdate in
      if entry.encoding == .integers, elementType == nil {
        return DeltaUpdate(name: entry.name, content: .integers(entry.rows, entry.integerRows))
      }
      return DeltaUpdate(name: entry.name, content: content(of: entry, merge))
    }
    return try write(
      to: path, base: base, method: delta.method, recipe: delta.recipe, metrics: delta.metrics,
      elementType: elementType ?? .f32, origin: delta.identity, updates: updates)
  }
}

extension DeltaWriter {
  /// Converts an entry back to an update.
  private static func content(of entry: DeltaEntry, _ merge: DeltaMerge) -> DeltaUpdate.Content {
    switch entry.encoding {
    case .values, .integers, .difference:
      .rows(entry.rows) { (range, target) throws(CheckpointError) in
        merge.rows(of: entry.name, range, into: target)
      }
    case .lowRank:
      .lowRank(
        rank: entry.tensors[0].shape[0], scale: entry.scale,
        a: .stored(entry.tensors[0]), b: .stored(entry.tensors[1]))
    case .hiddenUnits:
      .hiddenUnits(
        count: entry.rows.count, gate: .stored(entry.tensors[0]), up: .stored(entry.tensors[1]),
        down: .stored(entry.tensors[2]))
    case .tensor: .tensor(entry.tensors[0].shape, .stored(entry.tensors[0]))
    }
  }
}

/// A stored tensor of a delta; the first tensor of each update also carries the update's entry.
private struct Part {
  let entry: JSONValue?
  let planned: PlannedTensor
  let source: TensorSource

  static func parts(
    of update: DeltaUpdate, _ base: Checkpoint, _ elementType: ElementType
  ) -> [Part] {
    func origin() -> StoredTensor {
      guard let tensor = base.origin(of: update.name) else {
        preconditionFailure("no parameter '\(update.name)' in \(base.path)")
      }
      return tensor
    }
    switch update.content {
    case .rows(let range, let reader):
      return [rows(range, reader, of: origin(), named: update.name, elementType)]
    case .integers(let range, let rows):
      return [integers(range, rows, of: origin(), named: update.name)]
    case .tensor(let shape, let source):
      return [
        Part(
          entry: ["name": .string(update.name), "encoding": "tensor"],
          planned: PlannedTensor(name: update.name, elementType: .f32, shape: shape),
          source: source)
      ]
    case .hiddenUnits(let count, let gate, let up, let down):
      let entry: JSONValue = [
        "name": .string(update.name), "encoding": .string(DeltaEncoding.hiddenUnits.rawValue),
      ]
      let width = base.configuration.width
      let names = AddedUnits.tensorNames(of: update.name)
      let tensors: [(shape: Shape, source: TensorSource)] = [
        ([count, width], gate), ([count, width], up), ([width, count], down),
      ]
      return tensors.indices.map { index in
        Part(
          entry: index == 0 ? entry : nil,
          planned: PlannedTensor(
            name: names[index], elementType: .f32, shape: tensors[index].shape),
          source: tensors[index].source)
      }
    case .lowRank(let rank, let scale, let a, let b):
      let shape = origin().shape
      precondition(shape.rank == 2, "factors of \(update.name)")
      let entry: JSONValue = [
        "name": .string(update.name), "encoding": "low_rank", "scale": .number(scale),
      ]
      func part(
        _ entry: JSONValue?, _ suffix: String, _ shape: Shape, _ source: TensorSource
      ) -> Part {
        Part(
          entry: entry,
          planned: PlannedTensor(
            name: update.name + suffix, elementType: elementType, shape: shape),
          source: source)
      }
      return [
        part(entry, ".lora_a", [rank, shape[1]], a), part(nil, ".lora_b", [shape[0], rank], b),
      ]
    }
  }

  private static func integers(
    _ range: Range<Int>, _ rows: IntegerRows, of tensor: StoredTensor, named name: String
  ) -> Part {
    Part(
      entry: entry(.integers, name, range, of: tensor),
      planned: PlannedTensor(
        name: DeltaEntry.storedName(name, range, of: tensor.rowCount), elementType: .int8,
        shape: [range.count, tensor.rowWidth]),
      source: .integers(rows.counted(from: range.lowerBound)))
  }

  /// The entry of rows of a parameter.
  private static func entry(
    _ encoding: DeltaEncoding, _ name: String, _ range: Range<Int>, of tensor: StoredTensor
  ) -> JSONValue {
    precondition(
      !range.isEmpty && range.lowerBound >= 0 && range.upperBound <= tensor.rowCount,
      "rows \(range) of \(name) \(tensor.shape)")
    return [
      "name": .string(name), "encoding": .string(encoding.rawValue),
      "first_row": .int(range.lowerBound), "rows": .int(range.count),
    ]
  }

  private static func rows(
    _ range: Range<Int>, _ reader: @escaping RowReader, of tensor: StoredTensor,
    named name: String, _ elementType: ElementType
  ) -> Part {
    let type = tensor.shape.rank == 2 ? elementType : .f32
    let encoding = type == .f32 ? DeltaEncoding.values : .difference
    let entry = entry(encoding, name, range, of: tensor)
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
