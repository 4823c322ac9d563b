import Checkpoints
import Models
import Storage
import Tensors
import Tokenizers

/// A GGUF file that llama.cpp loads: configuration, vocabulary, chat template and weights. The
/// inverse of `GGUFFormat`.
public enum GGUFExport: ExportFormat {
  public static let name = "gguf"
  public static let elementTypes: [ForeignElementType] = [.f32, .f16, .bf16, .q8, .q4]

  public static func write(
    _ model: ExportedModel, as type: ForeignElementType, to path: String
  ) throws(CheckpointError) -> [String] {
    try model.checkBiases(in: .gguf)
    let configuration = model.configuration
    let (architecture, fields) = try description(model)
    let (vocabulary, notes) = try GGUFVocabularyExport.values(of: model.checkpoint)
    var writer = GGUFWriter()
    writer.add("general.architecture", .text(architecture))
    writer.add("general.type", .text("model"))
    writer.add("general.file_type", .count(fileType(type)))
    writer.add("general.quantization_version", .count(2))
    for (key, value) in fields {
      writer.add("\(architecture).\(key)", value.value)
    }
    for (key, value) in vocabulary { writer.add(key, value) }
    let tensors = model.tensors(in: .gguf)
    writer.tensors = tensors.map { tensor in
      self.tensor(
        tensor, type,
        interleavedHeadWidth: configuration.familyType.ggufInterleavesRotaryRows
          && tensor.parameters[0].hasRotaryRows ? configuration.headWidth : nil)
    }
    if let factors = configuration.rotaryFactors { writer.tensors.append(rotary(factors)) }
    try writer.write(to: path)
    return notes + configuration.familyType.ggufNotes(configuration)
      + self.notes(model, type, writer.tensors)
  }

  public static func rounded(
    _ model: ExportedModel, as type: ForeignElementType, like found: Checkpoint, temporary: String
  ) throws(CheckpointError) -> (checkpoint: Checkpoint, deltas: [Delta]) {
    let rounded = try model.writeRounded(
      in: .gguf, like: found, to: temporary, type: { elementType(of: $0, type) })
    return (rounded, [])
  }

  public static func survival(
    of model: ExportedModel, as type: ForeignElementType
  ) -> UpdateSurvival? { model.survival(in: .gguf) { elementType(of: $0, type) } }

  /// The name of the model's architecture and the fields of its metadata.
  static func description(
    _ model: ExportedModel
  ) throws(CheckpointError) -> (architecture: String, fields: [(key: String, value: GGUFField)]) {
    do throws(ConfigurationError) {
      return try model.configuration.gguf()
    } catch {
      throw CheckpointError(error, path: model.checkpoint.path)
    }
  }

  /// llama.cpp's numbers for what most matrices of a file are stored in.
  private static func fileType(_ type: ForeignElementType) -> Int {
    switch type {
    case .f32: 0
    case .f16: 1
    case .q4: 2
    case .q8: 7
    case .bf16: 32
    }
  }

  private static func notes(
    _ model: ExportedModel, _ type: ForeignElementType, _ tensors: [GGUFWriter.Tensor]
  ) -> [String] {
    var notes: [String] = []
    if model.isUntied {
      notes.append(
        "the model was tied and its head was trained: the export has a head of its own "
          + "(output.weight)")
    }
    let others = tensors.filter { $0.shape.count > 1 && $0.type != type }
    for other in Set(others.map { $0.type.rawValue }).sorted() {
      let names = others.filter { $0.type.rawValue == other }.map(\.name)
      notes.append("\(other) for \(names.count) matrices, such as \(names[0])")
    }
    return notes
  }
}

// MARK: tensors

extension GGUFExport {
  private static func tensor(
    _ source: ForeignTensorRows, _ type: ForeignElementType, interleavedHeadWidth: Int?
  ) -> GGUFWriter.Tensor {
    let isVector = source.shape.count == 1
    return GGUFWriter.Tensor(
      name: source.name, shape: source.shape, type: elementType(of: source, type),
      rowGroup: isVector ? 1 : interleavedHeadWidth ?? 1,
      read: { rows, target in
        let rows = isVector ? 0..<source.shape[0] : rows
        if let interleavedHeadWidth {
          readInterleaved(source, rows, headWidth: interleavedHeadWidth, into: target)
        } else {
          source.read(rows, into: target)
        }
        source.releasePages()
      })
  }

  /// Gains and biases stay f32, as llama.cpp wants them. Tables in four bits would cost more than
  /// they save, and rows that are no whole blocks can't be in blocks.
  private static func elementType(
    of source: ForeignTensorRows, _ type: ForeignElementType
  ) -> ForeignElementType {
    guard source.isMatrix else { return .f32 }
    switch type {
    case .f32, .f16, .bf16: return type
    case .q8, .q4:
      guard source.width % GGUFEncoder.blockElements == 0 else { return .f16 }
      return source.parameters[0].kind == .table ? .q8 : type
    }
  }

  /// Rows of whole heads, moved from halves to pairs.
  private static func readInterleaved(
    _ source: ForeignTensorRows, _ rows: Range<Int>, headWidth: Int,
    into target: UnsafeMutablePointer<Float>
  ) {
    let width = source.width
    let halves = UnsafeMutablePointer<Float>.allocate(capacity: rows.count * width)
    defer { halves.deallocate() }
    source.read(rows, into: halves)
    RotaryLayout.interleave(
      halves, rows: rows.count, width: width, headWidth: headWidth, into: target)
  }

  private static func rotary(_ factors: [Float]) -> GGUFWriter.Tensor {
    GGUFWriter.Tensor(
      name: GGUFWeights.rotaryFactors, shape: [factors.count], type: .f32,
      read: { _, target in for (index, factor) in factors.enumerated() { target[index] = factor } })
  }
}

extension GGUFField {
  /// As metadata.
  fileprivate var value: GGUFWriter.Value {
    switch self {
    case .count(let value): .count(value)
    case .single(let value): .single(Float(value))
    case .text(let value): .text(value)
    }
  }
}
