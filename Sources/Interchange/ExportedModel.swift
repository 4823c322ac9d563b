import Checkpoints
import Models
import Storage
import Tensors
import Tokenizers

/// A model that is written in another program's format: a checkpoint with deltas applied, read row
/// by row.
public struct ExportedModel: Sendable {
  public let checkpoint: Checkpoint
  /// The deltas, each with its scale.
  public let deltas: [(delta: Delta, scale: Double)]
  let merge: DeltaMerge

  /// - Throws: `CheckpointError.wrongBase` for a delta of another checkpoint, `.unsupported` for
  ///   one that can't be merged.
  public init(
    _ checkpoint: Checkpoint, deltas: [(delta: Delta, scale: Double)] = []
  ) throws(CheckpointError) {
    self.checkpoint = checkpoint
    self.deltas = deltas
    merge = try DeltaMerge(base: checkpoint, deltas: deltas)
  }

  /// The model's shape: the checkpoint's with what deltas add to it, a head of its own or biases.
  public var configuration: ModelConfiguration { merge.configuration }

  /// Whether a tied model gets a head of its own by a delta.
  public var isUntied: Bool { checkpoint.configuration.tiedHead && !configuration.tiedHead }

  /// Refuses a model with biases that the family's files of a format can't hold.
  ///
  /// - Throws: `CheckpointError.unsupported`.
  func checkBiases(in format: ForeignFormat) throws(CheckpointError) {
    let family = configuration.familyType
    let known = family.biases(configuration, in: format)
    let others = LinearKind.allCases.filter { kind in
      !known.contains(kind)
        && configuration.parameters.contains { $0.path.role == ParameterRole.linear(kind).bias }
    }
    guard !others.isEmpty else { return }
    let names = others.map(\.rawValue).joined(separator: ", ")
    throw .unsupported(
      path: deltas.first?.delta.path ?? checkpoint.path, field: "biases of \(names)",
      found: "biases",
      expected: "none there: files of this format have no place for them in models "
        + "of family '\(family.name)'; apply-delta writes a checkpoint of our own with them")
  }

  /// The type that holds every matrix without rounding.
  public var elementType: ForeignElementType {
    let types = configuration.parameters.filter(\.isMatrix).map { merge.elementType(of: $0.name) }
    return types.allSatisfy { $0 == .bf16 } ? .bf16 : .f32
  }

  /// Whether an element type holds every gain and bias without rounding, as a format stores them.
  func vectorsFit(_ type: ForeignElementType, in format: ForeignFormat) -> Bool {
    tensors(in: format).filter { !$0.isMatrix }.allSatisfy { tensor in
      let count = tensor.shape[0]
      let values = UnsafeMutablePointer<Float>.allocate(capacity: 2 * count)
      defer { values.deallocate() }
      tensor.read(0..<count, into: values)
      (values + count).update(from: values, count: count)
      type.round(values, count: count)
      return (0..<count).allSatisfy { values[$0] == values[count + $0] }
    }
  }

  /// The tensors of a format in file order.
  func tensors(in format: ForeignFormat) -> [ForeignTensorRows] {
    configuration.schema.tensors(in: format).map {
      ForeignTensorRows(name: $0.name, parameters: $0.parameters, format: format, model: self)
    }
  }
}

/// A tensor of another format, made of the rows of one or several parameters.
struct ForeignTensorRows: Sendable {
  let name: String
  /// The parameters that it holds, by their rows.
  let parameters: [ParameterDescription]
  let format: ForeignFormat
  let model: ExportedModel

  /// The extents, outermost axis first.
  var shape: [Int] {
    let first = parameters[0].shape.extents
    return [parameters.reduce(0) { $0 + $1.shape[0] }] + first.dropFirst()
  }

  /// Whether it may be stored in fewer bits than f32.
  var isMatrix: Bool { parameters[0].isMatrix }

  /// Elements of one row.
  var width: Int { shape.dropFirst().reduce(1, *) }

  /// Writes rows as f32, row-major.
  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    var start = 0
    for parameter in parameters {
      let rows = start..<start + parameter.shape[0]
      start = rows.upperBound
      let wanted = range.clamped(to: rows)
      guard !wanted.isEmpty else { continue }
      let place = target + (wanted.lowerBound - range.lowerBound) * width
      model.merge.rows(
        of: parameter.name,
        wanted.lowerBound - rows.lowerBound..<wanted.upperBound - rows.lowerBound, into: place)
      let offset = parameter.foreignTensors[format]?.offset ?? 0
      guard offset != 0 else { continue }
      for index in 0..<wanted.count * width { place[index] -= offset }
    }
  }

  /// Drops the checkpoint's pages from resident memory.
  func releasePages() { model.checkpoint.releasePages() }
}
