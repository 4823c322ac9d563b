import Checkpoints
import Models
import Storage
import Tensors

/// A LoRA run as PEFT loads it, `adapter_config.json` and `adapter_model.safetensors`, and beside
/// them as llama.cpp loads it, `adapter_model.gguf`.
///
/// PEFT knows matrices by their Hugging Face names. Where one of those holds several of ours (Phi-3's
/// query, key and value), the factors become one pair: A's are stacked, and B gets a block for the
/// rows of each.
public enum PEFTExport: ExportFormat {
  public static let name = "peft"
  public static let elementTypes: [ForeignElementType] = [.f32, .bf16, .f16]

  public static func write(
    _ model: ExportedModel, as elementType: ForeignElementType, to path: String
  ) throws(CheckpointError) -> [String] {
    let adapter = try LowRankAdapter(model)
    let factors = adapter.factors(in: .huggingFace)
    let folder = try wrapping { () throws(StorageError) in try AtomicFolder(path: path) }
    let configuration = JSONValue.object(PEFTConfiguration.json(factors))
    try wrapping { () throws(StorageError) in
      try folder.write(Array((configuration.encoded(.pretty) + "\n").utf8), to: configurationName)
    }
    try SafetensorsWriter.write(
      factors.flatMap { $0.tensors(elementType) }, to: folder.path(of: weightsName))
    let note = try writeFile(of: adapter, model, elementType, to: folder.path(of: AdapterFile.name))
    try wrapping { () throws(StorageError) in try folder.commit() }
    return ["factors of \(factors.count) matrices, scale \(factors.first?.scale ?? 0)"] + note
  }

  /// Writes llama.cpp's file, or tells why there is none.
  private static func writeFile(
    of adapter: LowRankAdapter, _ model: ExportedModel, _ type: ForeignElementType,
    to path: String
  ) throws(CheckpointError) -> [String] {
    guard !model.isUntied else {
      return [
        "no \(AdapterFile.name): llama.cpp has no place for factors of a tied head; "
          + "--format gguf merges them"
      ]
    }
    let architecture: String
    do {
      architecture = try GGUFExport.description(model).architecture
    } catch {
      return ["no \(AdapterFile.name): \(error)"]
    }
    let configuration = model.configuration
    let isInterleaved = configuration.familyType.ggufInterleavesRotaryRows
    try AdapterFile.write(
      adapter.factors(in: .gguf), architecture: architecture,
      interleavedHeadWidth: isInterleaved ? configuration.headWidth : nil, as: type, to: path)
    return []
  }

  public static func usualElementType(of model: ExportedModel) -> ForeignElementType { .f32 }

  public static func readBack(
    _ path: String, base: Checkpoint, temporary: String
  ) throws(InterchangeError) -> (checkpoint: Checkpoint, deltas: [Delta]) {
    try InterchangeError.wrapping { () throws(CheckpointError) in
      try PEFTImport.run(folder: path, base: base, elementType: .f32, output: temporary)
      return (base, [try Delta.open(temporary)])
    }
  }

  public static func rounded(
    _ model: ExportedModel, as type: ForeignElementType, like found: Checkpoint, temporary: String
  ) throws(CheckpointError) -> (checkpoint: Checkpoint, deltas: [Delta]) {
    let adapter = try LowRankAdapter(model)
    let tensors = model.configuration.schema.tensors(in: .huggingFace)
    let updates = adapter.factors(in: .huggingFace).flatMap { factors in
      tensors.filter { $0.name == "\(factors.module).weight" }.flatMap { tensor in
        PEFTImport.parts(
          of: tensor.parameters, a: rounded(factors.a, type), b: rounded(factors.b, type),
          rank: factors.rank, scale: factors.scale)
      }
    }
    try DeltaWriter.write(
      to: temporary, base: model.checkpoint, method: [:], recipe: [:], metrics: [:],
      elementType: .f32, updates: updates)
    return (model.checkpoint, [try Delta.open(temporary)])
  }

  private static func rounded(_ values: [Float], _ type: ForeignElementType) -> [Float] {
    var rounded = values
    rounded.withUnsafeMutableBufferPointer { buffer in
      if let start = buffer.baseAddress { type.round(start, count: buffer.count) }
    }
    return rounded
  }

  static let configurationName = "adapter_config.json"
  static let weightsName = "adapter_model.safetensors"
  /// What PEFT puts before a matrix's name.
  static let prefix = "base_model.model."
}

extension ForeignFactors {
  /// A and B under the names that PEFT gives them.
  fileprivate func tensors(_ type: ForeignElementType) -> [SafetensorsWriter.Tensor] {
    func tensor(_ suffix: String, _ shape: [Int], _ values: [Float]) -> SafetensorsWriter.Tensor {
      SafetensorsWriter.Tensor(
        name: "\(PEFTExport.prefix)\(module).\(suffix).weight", shape: shape, elementType: type,
        read: { rows, target in
          for i in 0..<rows.count * shape[1] {
            target[i] = values[rows.lowerBound * shape[1] + i]
          }
        })
    }
    return [
      tensor("lora_A", [rank, inputs], a), tensor("lora_B", [outputs, rank], b),
    ]
  }
}
