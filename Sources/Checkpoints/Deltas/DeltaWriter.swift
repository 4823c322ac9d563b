import Models
import Storage
import Tensors

/// A change to be written to a delta.
public struct DeltaUpdate {
  /// The data of a change.
  public enum Content {
    /// New rows; the reader is called with row indices of the whole parameter.
    case rows(Range<Int>, RowReader)
    /// What to add to the base's rows, by their index in the whole parameter.
    case differences(Range<Int>, RowReader)
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
    var description: JSONObject = [
      "method": SharedDescription.method(method), "recipe": SharedDescription.recipe(recipe),
      "metrics": SharedDescription.metrics(metrics),
    ]
    if let origin { description[Delta.originKey] = .string(origin) }
    return try write(
      to: path, base: DeltaBase(base), description: description, elementType: elementType,
      updates: updates)
  }

  /// Writes a delta with the header's members of that description, whether the base's weights are
  /// known or not: without them, rows in other types than f32 can't be written.
  ///
  /// - Returns: the content hash.
  static func write(
    to path: String, base: DeltaBase, description: JSONObject, elementType: ElementType,
    updates: [DeltaUpdate]
  ) throws(CheckpointError) -> String {
    let parts = updates.map { DeltaPart.parts(of: $0, base, elementType) }
    return try write(to: path, base: base, description: description, parts: parts)
  }

  /// Writes a delta of stored tensors, those of each entry together.
  static func write(
    to path: String, base: DeltaBase, description: JSONObject, parts: [[DeltaPart]]
  ) throws(CheckpointError) -> String {
    let tensors = parts.flatMap { $0 }
    var header = origin(base, description)
    header["metrics"] = description["metrics"] ?? .null
    header["entries"] = .array(parts.compactMap { $0.first?.entry })
    if let origin = description[Delta.originKey] { header[Delta.originKey] = origin }
    let writer = ContainerWriter(
      kind: .delta, header: header, blobs: [], tensors: tensors.map(\.planned))
    return try writer.write(to: path) { (index) throws(CheckpointError) in
      base.checkpoint?.releasePages()
      return tensors[index].source
    }
  }

  /// What a delta's header says of its origin.
  public static func description(
    base: Checkpoint, method: JSONValue, recipe: JSONValue
  ) -> JSONObject {
    origin(
      DeltaBase(base),
      ["method": SharedDescription.method(method), "recipe": SharedDescription.recipe(recipe)])
  }

  private static func origin(_ base: DeltaBase, _ description: JSONObject) -> JSONObject {
    [
      "base": [
        "content_hash": .string(base.contentHash), "configuration": base.configuration.json,
      ],
      "method": description["method"] ?? .null, "recipe": description["recipe"] ?? .null,
    ]
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
