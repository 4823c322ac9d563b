import Models
import Storage
import Tensors

/// One change in a delta: rows of a parameter, low-rank factors for a whole matrix, hidden units of
/// an MLP, or a new tensor. Rows are indexed by the first axis, so a gain or bias `[n]` has n rows of
/// one element.
public struct DeltaEntry: Sendable {
  /// The parameter's name, the path of the MLP that gets hidden units, or the new tensor's name.
  public let name: String
  /// How the change is encoded.
  public let encoding: DeltaEncoding
  private let stored: Stored

  /// What an encoding reads from the file.
  struct Stored: Sendable {
    var rows: Range<Int>
    var scale = 1.0
    var tensors: [StoredTensor]
  }

  /// The changed rows.
  public var rows: Range<Int> { stored.rows }
  /// alpha / rank for `lowRank`, else 1.
  public var scale: Double { stored.scale }
  /// The rows as a tensor of the parameter's shape with `rows.count` rows; A, then B; hidden units'
  /// gate, up, then down; or the new tensor.
  public var tensors: [StoredTensor] { stored.tensors }

  /// The widest element type among `tensors`.
  public var elementType: ElementType {
    tensors.reduce(.int8) { wider($0, $1.elementType) }
  }

  /// Name of the stored rows: the parameter's, with `@first` appended where they are only some of
  /// them.
  static func storedName(_ name: String, _ rows: Range<Int>, of count: Int) -> String {
    rows == 0..<count ? name : "\(name)@\(rows.lowerBound)"
  }

  private init(
    _ fields: JSONFields, _ container: TensorContainer, _ shapes: [String: Shape]
  ) throws(CheckpointError) {
    name = try fields.string("name")
    let word = try fields.string("encoding")
    guard let encoding = DeltaEncoding(rawValue: word) else {
      _ = try fields.baseShape(name, shapes[name])
      let known = DeltaEncoding.allCases.map(\.rawValue)
      throw fields.problem("encoding", .string(word), known.joined(separator: ", "))
    }
    self.encoding = encoding
    stored = try encoding.rules.read(fields, name: name, shapes: shapes, container)
  }

  /// One row, by its index in the parameter, of the entry's last tensor (B for low rank), as f32.
  func storedRow(_ row: Int) -> [Float] {
    let tensor = tensors[tensors.count - 1]
    let index = row - rows.lowerBound
    return [Float](unsafeUninitializedCapacity: tensor.rowWidth) { buffer, count in
      count = tensor.rowWidth
      if let start = buffer.baseAddress { tensor.widenRows(index..<(index + 1), into: start) }
    }
  }

  /// Reads all entries; rejects rows changed by two entries and tensors that no entry refers to.
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

/// The wider of two element types: f32 over bf16 over int8.
func wider(_ a: ElementType, _ b: ElementType) -> ElementType {
  let order: [ElementType] = [.int8, .bf16, .f32]
  return (order.firstIndex(of: a) ?? 2) > (order.firstIndex(of: b) ?? 2) ? a : b
}
