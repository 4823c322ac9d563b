import Configurations
import Storage
import Tensors

/// Reads a Hugging Face `config.json` of the Llama family: `llama`, `mistral` without a sliding
/// window in effect, `qwen2`. Keys that say nothing about the arithmetic are passed over.
struct HuggingFaceConfiguration {
  private let fields: JSONFields
  private let modelType: String

  /// The configuration in the file at `path`.
  static func read(path: String) throws(CheckpointError) -> ModelConfiguration {
    let value = try wrapping { () throws(StorageError) in try JSONValue.read(path: path) }
    guard let object = value.object else {
      throw .damaged(path: path, field: "document", found: value.kind, expected: "an object")
    }
    let reader = try Self(JSONFields(object, path: path))
    return try reader.configuration()
  }

  private init(_ fields: JSONFields) throws(CheckpointError) {
    self.fields = fields
    modelType = try fields.string("model_type")
    guard ["llama", "mistral", "qwen2"].contains(modelType) else {
      throw unsupported("model_type", "llama, mistral or qwen2")
    }
    let activation = fields.object["hidden_act"] ?? "silu"
    guard activation == "silu" || activation == "swish" else {
      throw unsupported("hidden_act", "\"silu\"")
    }
    if let quantised = fields.object["quantization_config"], !quantised.isNull {
      throw unsupported("quantization_config", "weights that are not quantised")
    }
    if let share = fields.object["partial_rotary_factor"]?.double, share != 1 {
      throw unsupported("partial_rotary_factor", "1")
    }
    try checkWindow()
  }

  private func configuration() throws(CheckpointError) -> ModelConfiguration {
    let width = try extent("hidden_size")
    let heads = try extent("num_attention_heads")
    let headWidth = try optionalExtent("head_dim")
    guard headWidth != nil || width % heads == 0 else {
      throw .damaged(
        path: fields.path, field: "hidden_size", found: "\(width) with \(heads) heads",
        expected: "a multiple of num_attention_heads, or head_dim")
    }
    let bias = try flag("attention_bias", default: false)
    let (base, scaling) = try rotary()
    let configuration = ModelConfiguration(
      width: width, hiddenWidth: try extent("intermediate_size"),
      layers: try extent("num_hidden_layers"), queryHeads: heads,
      keyValueHeads: try optionalExtent("num_key_value_heads") ?? heads,
      headWidth: headWidth ?? width / heads, vocabularySize: try extent("vocab_size"),
      contextLength: try extent("max_position_embeddings"),
      normEpsilon: try optionalNumber("rms_norm_eps") ?? 1e-6, rotaryBase: base,
      rotaryScaling: scaling, tiedHead: try flag("tie_word_embeddings", default: false),
      attentionBias: modelType == "qwen2" || (modelType == "llama" && bias),
      outputBias: modelType == "llama" && bias,
      mlpBias: modelType == "llama" ? try flag("mlp_bias", default: false) : false)
    try configuration.checkUsable(path: fields.path, field: "configuration")
    return configuration
  }

  // MARK: rotary positions

  /// Newer files keep `rope_theta` and the scaling together in `rope_parameters`.
  private func rotary() throws(CheckpointError) -> (base: Double, RotaryScaling) {
    let key = ["rope_parameters", "rope_scaling"].first { fields.object[$0]?.isNull == false }
    let scaling = try key.map { (key) throws(CheckpointError) in try fields.fields(key) }
    var base = try optionalNumber("rope_theta") ?? 10_000
    if let inner = scaling?.object["rope_theta"], !inner.isNull {
      base = try scaling?.double("rope_theta") ?? base
    }
    guard let scaling else { return (base, .none) }
    let type = scaling.object["rope_type"] ?? scaling.object["type"] ?? "default"
    switch type {
    case "default": return (base, .none)
    case "linear": return (base, .linear(factor: try scaling.double("factor")))
    case "llama3":
      return (
        base,
        .llama3(
          factor: try scaling.double("factor"),
          lowFrequencyFactor: try scaling.double("low_freq_factor"),
          highFrequencyFactor: try scaling.double("high_freq_factor"),
          originalContextLength: try scaling.int(
            "original_max_position_embeddings", in: 1...(1 << 31)))
      )
    default:
      throw .unsupported(
        path: fields.path, field: scaling.name("rope_type"), found: JSONFields.shown(type),
        expected: "default, linear or llama3")
    }
  }

  // MARK: sliding windows

  /// A window as long as the context changes nothing; a shorter one is not implemented.
  private func checkWindow() throws(CheckpointError) {
    var window = fields.object["sliding_window"]
    switch modelType {
    case "mistral": window = window ?? 4096
    case "qwen2": window = try flag("use_sliding_window", default: false) ? window ?? 4096 : nil
    default: window = nil
    }
    guard let window, !window.isNull else { return }
    let context = try extent("max_position_embeddings")
    guard let length = window.int, length >= context else {
      throw .unsupported(
        path: fields.path, field: "sliding_window", found: JSONFields.shown(window),
        expected: "null, or at least max_position_embeddings (\(context))")
    }
  }

  // MARK: members

  private func extent(_ key: String) throws(CheckpointError) -> Int {
    try fields.int(key, in: 1...(1 << 31))
  }

  private func optionalExtent(_ key: String) throws(CheckpointError) -> Int? {
    guard fields.object[key]?.isNull == false else { return nil }
    return try extent(key)
  }

  private func optionalNumber(_ key: String) throws(CheckpointError) -> Double? {
    guard fields.object[key]?.isNull == false else { return nil }
    return try fields.double(key)
  }

  private func flag(_ key: String, default value: Bool) throws(CheckpointError) -> Bool {
    guard fields.object[key]?.isNull == false else { return value }
    return try fields.bool(key)
  }

  private func unsupported(_ key: String, _ expected: String) -> CheckpointError {
    .unsupported(
      path: fields.path, field: key, found: JSONFields.shown(fields.object[key]),
      expected: expected)
  }
}
