import Checkpoints
import Models
import Storage
import Tensors

/// A folder that `transformers` loads: `config.json`, `model.safetensors` or shards of it with an
/// index, the tokenizer's files, `generation_config.json` and the chat template.
public enum HuggingFaceExport: ExportFormat {
  public static let name = "hf"
  public static let elementTypes: [ForeignElementType] = [.f32, .bf16, .f16]

  /// Bytes of a file of weights, as `transformers` cuts them.
  private static let shardBytes = 5_000_000_000

  public static func write(
    _ model: ExportedModel, as type: ForeignElementType, to path: String
  ) throws(CheckpointError) -> [String] {
    try model.checkBiases(in: .huggingFace)
    let folder = try wrapping { () throws(StorageError) in try AtomicFolder(path: path) }
    let special = try SpecialTokens(model.checkpoint)
    try write(configuration(model, type, special), to: "config.json", in: folder)
    try write(special.generationConfiguration, to: "generation_config.json", in: folder)
    let notes = try TokenizerExport.write(model.checkpoint, special, to: folder)
    try writeWeights(model, type, to: folder, shardBytes: shardBytes)
    try wrapping { () throws(StorageError) in try folder.commit() }
    return Self.notes(model, type) + notes
  }

  /// Gains and biases are in the same type as matrices, and trained ones have no bits to lose.
  public static func usualElementType(of model: ExportedModel) -> ForeignElementType {
    model.vectorsFit(model.elementType, in: .huggingFace) ? model.elementType : .f32
  }

  public static func rounded(
    _ model: ExportedModel, as type: ForeignElementType, like found: Checkpoint, temporary: String
  ) throws(CheckpointError) -> (checkpoint: Checkpoint, deltas: [Delta]) {
    let rounded = try model.writeRounded(
      in: .huggingFace, like: found, to: temporary, type: { _ in type })
    return (rounded, [])
  }

  public static func survival(
    of model: ExportedModel, as type: ForeignElementType
  ) -> UpdateSurvival? { model.survival(in: .huggingFace) { _ in type } }

  private static func notes(_ model: ExportedModel, _ type: ForeignElementType) -> [String] {
    var notes = ["matrices in \(type.rawValue), gains and biases too, as transformers loads them"]
    if model.isUntied {
      notes.append(
        "the model was tied and its head was trained: the export has a head of its own "
          + "(tie_word_embeddings false)")
    }
    return notes
  }

  private static func configuration(
    _ model: ExportedModel, _ type: ForeignElementType, _ special: SpecialTokens
  ) -> JSONObject {
    let configuration = model.configuration
    var object = configuration.familyType.huggingFace(configuration)
    let word: JSONValue =
      switch type {
      case .bf16: "bfloat16"
      case .f16: "float16"
      default: "float32"
      }
    object["torch_dtype"] = word
    object["bos_token_id"] = special.ids.begin.map { .int(Int($0)) } ?? .null
    object["eos_token_id"] = special.endIDs
    return object
  }

  private static func write(
    _ object: JSONObject, to name: String, in folder: AtomicFolder
  ) throws(CheckpointError) {
    try wrapping { () throws(StorageError) in
      try folder.write(Array((JSONValue.object(object).encoded(.pretty) + "\n").utf8), to: name)
    }
  }

  /// Writes the weights, in several files where one would exceed `shardBytes`.
  static func writeWeights(
    _ model: ExportedModel, _ type: ForeignElementType, to folder: AtomicFolder, shardBytes: Int
  ) throws(CheckpointError) {
    let tensors = model.tensors(in: .huggingFace).map { tensor in
      SafetensorsWriter.Tensor(
        name: tensor.name, shape: tensor.shape, elementType: type,
        read: { rows, target in
          tensor.read(rows, into: target)
          tensor.releasePages()
        })
    }
    let shards = shards(of: tensors, limit: shardBytes)
    if shards.count == 1 {
      return try SafetensorsWriter.write(tensors, to: folder.path(of: "model.safetensors"))
    }
    var map = JSONObject()
    for (index, shard) in shards.enumerated() {
      let name = "model-\(padded(index + 1))-of-\(padded(shards.count)).safetensors"
      try SafetensorsWriter.write(shard, to: folder.path(of: name))
      for tensor in shard { map[tensor.name] = .string(name) }
    }
    let total = tensors.reduce(0) { $0 + $1.byteCount }
    try write(
      JSONObject([("metadata", ["total_size": .int(total)]), ("weight_map", .object(map))]),
      to: "model.safetensors.index.json", in: folder)
  }

  private static func shards(
    of tensors: [SafetensorsWriter.Tensor], limit: Int
  ) -> [[SafetensorsWriter.Tensor]] {
    var shards: [[SafetensorsWriter.Tensor]] = [[]]
    var bytes = 0
    for tensor in tensors {
      if bytes + tensor.byteCount > limit, shards[shards.count - 1].isEmpty == false {
        shards.append([])
        bytes = 0
      }
      shards[shards.count - 1].append(tensor)
      bytes += tensor.byteCount
    }
    return shards
  }

  /// "00012"
  private static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
