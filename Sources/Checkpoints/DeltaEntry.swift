import Configurations
import Storage
import Tensors

/// One change of a delta: rows of a parameter, or low-rank factors for the whole of it. A row is
/// what the first axis counts, so a gain or bias `[n]` has n rows of one element.
public struct DeltaEntry: Sendable {
  /// How the change is spelled.
  public enum Encoding: String, Sendable {
    /// The new rows themselves: exact.
    case values
    /// New rows minus the base's.
    case difference
    /// new = base + scale · B·A (Hu et al. 2021), A `[r, in]`, B `[out, r]`.
    case lowRank = "low_rank"
  }

  /// The parameter's name.
  public let name: String
  /// The rows that change.
  public let rows: Range<Int>
  /// How the change is spelled.
  public let encoding: Encoding
  /// alpha / rank for `lowRank`, else 1.
  public let scale: Double
  /// The rows, shaped like the parameter with `rows.count` rows; or A, then B.
  public let tensors: [StoredTensor]

  /// The widest element type among `tensors`.
  public var elementType: ElementType {
    tensors.reduce(.int8) { wider($0, $1.elementType) }
  }

  /// The name under which rows are stored: the parameter's, with `@first` where only a part is.
  static func storedName(_ name: String, _ rows: Range<Int>, of count: Int) -> String {
    rows == 0..<count ? name : "\(name)@\(rows.lowerBound)"
  }

  private init(
    _ fields: JSONFields, _ container: TensorContainer, _ shapes: [String: Shape]
  ) throws(CheckpointError) {
    name = try fields.string("name")
    guard let shape = shapes[name] else {
      throw fields.problem(
        "name", .string(name), "a parameter of the base's configuration, or its head")
    }
    let encodingName = try fields.string("encoding")
    guard let encoding = Encoding(rawValue: encodingName) else {
      throw fields.problem(
        "encoding", .string(encodingName), "values, difference or low_rank")
    }
    self.encoding = encoding
    guard encoding != .lowRank else {
      try fields.allow(["name", "encoding", "scale"])
      rows = 0..<shape[0]
      scale = try fields.double("scale")
      tensors = try Self.factors(fields, name, shape, container)
      return
    }
    try fields.allow(["name", "encoding", "first_row", "rows"])
    let first = try fields.int("first_row", in: 0...(shape[0] - 1))
    let count = try fields.int("rows", in: 1...(shape[0] - first))
    rows = first..<(first + count)
    scale = 1
    let stored = Self.storedName(name, rows, of: shape[0])
    let expected = Shape([count] + shape.extents.dropFirst())
    tensors = [try Self.tensor(fields, stored, container) { $0 == expected }]
  }

  private static func factors(
    _ fields: JSONFields, _ name: String, _ shape: Shape, _ container: TensorContainer
  ) throws(CheckpointError) -> [StoredTensor] {
    guard shape.rank == 2 else {
      throw fields.problem("encoding", "low_rank", "values or difference for a vector")
    }
    let a = try tensor(fields, name + ".lora_a", container) { $0.rank == 2 && $0[1] == shape[1] }
    let b = try tensor(fields, name + ".lora_b", container) { $0 == [shape[0], a.shape[0]] }
    return [a, b]
  }

  private static func tensor(
    _ fields: JSONFields, _ name: String, _ container: TensorContainer,
    _ fits: (Shape) -> Bool
  ) throws(CheckpointError) -> StoredTensor {
    guard let tensor = container.tensor(name) else {
      throw fields.problem("name", nil, "a stored tensor '\(name)'")
    }
    guard fits(tensor.shape) else {
      throw .damaged(
        path: fields.path, field: "shape of \(name)", found: "\(tensor.shape)",
        expected: "the shape that \(fields.place) asks for")
    }
    return tensor
  }

  /// Reads all entries; refuses rows that two of them change and tensors that none refers to.
  static func read(
    _ list: [JSONFields], _ container: TensorContainer, _ configuration: ModelConfiguration
  ) throws(CheckpointError) -> [DeltaEntry] {
    let shapes = Dictionary(
      uniqueKeysWithValues: configuration.trainableParameters.map { ($0.name, $0.shape) })
    var entries: [DeltaEntry] = []
    var taken: [String: DisjointRanges] = [:]
    var used: Set<String> = []
    for fields in list {
      let entry = try DeltaEntry(fields, container, shapes)
      if let other = taken[entry.name, default: DisjointRanges()].insert(entry.rows) {
        throw .damaged(
          path: container.path, field: fields.place,
          found: "rows \(entry.rows) of \(entry.name), of which rows \(other) were given before",
          expected: "every row at most once")
      }
      used.formUnion(entry.tensors.map(\.name))
      entries.append(entry)
    }
    if let unused = container.tensors.first(where: { !used.contains($0.name) }) {
      throw .damaged(
        path: container.path, field: "tensors", found: "'\(unused.name)', which no entry names",
        expected: "tensors of the entries only")
    }
    return entries
  }
}

/// Ranges that do not overlap, in order; a delta may hold thousands of runs of rows.
private struct DisjointRanges {
  private var ranges: [Range<Int>] = []

  /// Adds a range, or returns one that overlaps it.
  mutating func insert(_ new: Range<Int>) -> Range<Int>? {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].lowerBound < new.lowerBound { low = middle + 1 } else { high = middle }
    }
    for index in [low - 1, low] where ranges.indices.contains(index) {
      if ranges[index].overlaps(new) { return ranges[index] }
    }
    ranges.insert(new, at: low)
    return nil
  }
}

/// The element type that holds what either does: f32 over bf16 over int8.
func wider(_ a: ElementType, _ b: ElementType) -> ElementType {
  let order: [ElementType] = [.int8, .bf16, .f32]
  return (order.firstIndex(of: a) ?? 2) > (order.firstIndex(of: b) ?? 2) ? a : b
}
