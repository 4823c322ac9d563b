import Models
import Storage
import Tensors

/// One change of a delta: rows of a parameter, low-rank factors for the whole of it, or a tensor of
/// its own. A row is what the first axis counts, so a gain or bias `[n]` has n rows of one element.
public struct DeltaEntry: Sendable {
  /// The parameter's name, or the new tensor's.
  public let name: String
  /// How the change is spelled.
  public let encoding: DeltaEncoding
  private let stored: Stored

  /// What an encoding finds in the file.
  struct Stored: Sendable {
    var rows: Range<Int>
    var scale = 1.0
    var tensors: [StoredTensor]
  }

  /// The rows that change.
  public var rows: Range<Int> { stored.rows }
  /// alpha / rank for `lowRank`, else 1.
  public var scale: Double { stored.scale }
  /// The rows, shaped like the parameter with `rows.count` rows; or A, then B; or the new tensor.
  public var tensors: [StoredTensor] { stored.tensors }

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
    let word = try fields.string("encoding")
    guard let encoding = DeltaEncoding(rawValue: word) else {
      _ = try fields.baseShape(name, shapes[name])
      let known = DeltaEncoding.allCases.map(\.rawValue)
      throw fields.problem("encoding", .string(word), known.joined(separator: ", "))
    }
    self.encoding = encoding
    stored = try encoding.rules.read(fields, name: name, shape: shapes[name], container)
  }

  /// A row of the parameter as the entry's last tensor has it (for low rank B's), in f32.
  func storedRow(_ row: Int) -> [Float] {
    let tensor = tensors[tensors.count - 1]
    let index = row - rows.lowerBound
    return [Float](unsafeUninitializedCapacity: tensor.rowWidth) { buffer, count in
      count = tensor.rowWidth
      if let start = buffer.baseAddress { tensor.widenRows(index..<(index + 1), into: start) }
    }
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

/// The element type that holds what either does: f32 over bf16 over int8.
func wider(_ a: ElementType, _ b: ElementType) -> ElementType {
  let order: [ElementType] = [.int8, .bf16, .f32]
  return (order.firstIndex(of: a) ?? 2) > (order.firstIndex(of: b) ?? 2) ? a : b
}
