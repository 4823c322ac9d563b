import Storage

/// Reads Hugging Face's configurations of the family: `llama`, `mistral` without an effective
/// sliding window, `qwen2`. Keys that don't affect the arithmetic are ignored.
extension Llama {
  public static let huggingFaceTypes = ["llama", "mistral", "qwen2"]

  public static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration {
    let type = try fields.string("model_type")
    try checkSupported(fields)
    try checkWindow(fields, type)
    let width = try fields.extent("hidden_size")
    let heads = try fields.extent("num_attention_heads")
    let headWidth = try fields.optionalExtent("head_dim")
    guard headWidth != nil || width % heads == 0 else {
      throw .damaged(
        field: "hidden_size", found: "\(width) with \(heads) heads",
        expected: "a multiple of num_attention_heads, or head_dim")
    }
    let bias = try fields.flag("attention_bias", default: false)
    let (base, scaling) = try rotary(fields)
    return ModelConfiguration(
      width: width, hiddenWidth: try fields.extent("intermediate_size"),
      layers: try fields.extent("num_hidden_layers"), queryHeads: heads,
      keyValueHeads: try fields.optionalExtent("num_key_value_heads") ?? heads,
      headWidth: headWidth ?? width / heads, vocabularySize: try fields.extent("vocab_size"),
      contextLength: try fields.extent("max_position_embeddings"),
      normEpsilon: try fields.optionalNumber("rms_norm_eps") ?? 1e-6, rotaryBase: base,
      rotaryScaling: scaling, tiedHead: try fields.flag("tie_word_embeddings", default: false),
      attentionBias: type == "qwen2" || (type == "llama" && bias),
      outputBias: type == "llama" && bias,
      mlpBias: type == "llama" ? try fields.flag("mlp_bias", default: false) : false)
  }

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    var object = configuration.huggingFaceMembers(
      type: "llama", architecture: "LlamaForCausalLM")
    object["attention_bias"] = .bool(configuration.attentionBias)
    object["mlp_bias"] = .bool(configuration.mlpBias)
    return object
  }

  private static func checkSupported(
    _ fields: ConfigurationFields
  ) throws(ConfigurationError) {
    let activation = fields["hidden_act"]
    guard !fields.has("hidden_act") || activation == "silu" || activation == "swish" else {
      throw fields.unsupported("hidden_act", "\"silu\"")
    }
    guard fields["quantization_config"] == nil else {
      throw fields.unsupported("quantization_config", "weights that are not quantised")
    }
    if let share = fields["partial_rotary_factor"]?.double, share != 1 {
      throw fields.unsupported("partial_rotary_factor", "1")
    }
  }

  /// Accepts a sliding window at least as long as the context; a shorter one is not implemented.
  private static func checkWindow(
    _ fields: ConfigurationFields, _ type: String
  ) throws(ConfigurationError) {
    let window: JSONValue?
    switch type {
    // A null window means none; a missing one means the type's default.
    case "mistral": window = fields.has("sliding_window") ? fields["sliding_window"] : 4096
    case "qwen2":
      let isUsed = try fields.flag("use_sliding_window", default: false)
      window =
        isUsed ? (fields.has("sliding_window") ? fields["sliding_window"] : 4096) : nil
    default: window = nil
    }
    guard let window else { return }
    let context = try fields.extent("max_position_embeddings")
    guard let length = window.int, length >= context else {
      throw fields.unsupported(
        "sliding_window", found: window,
        "null, or at least max_position_embeddings (\(context))")
    }
  }

  /// Newer files keep `rope_theta` and the scaling together in `rope_parameters`.
  private static func rotary(
    _ fields: ConfigurationFields
  ) throws(ConfigurationError) -> (base: Double, RotaryScaling) {
    let key = ["rope_parameters", "rope_scaling"].first { fields[$0] != nil }
    let scaling = try key.map { (key) throws(ConfigurationError) in try fields.fields(key) }
    var base = try fields.optionalNumber("rope_theta") ?? 10_000
    if let scaling { base = try scaling.optionalNumber("rope_theta") ?? base }
    guard let scaling else { return (base, .none) }
    switch scaling[scaling.has("rope_type") ? "rope_type" : "type"] ?? "default" {
    case "default": return (base, .none)
    case "linear": return (base, .linear(factor: try scaling.number("factor")))
    case "llama3":
      return (
        base,
        .llama3(
          factor: try scaling.number("factor"),
          lowFrequencyFactor: try scaling.number("low_freq_factor"),
          highFrequencyFactor: try scaling.number("high_freq_factor"),
          originalContextLength: try scaling.int(
            "original_max_position_embeddings", in: 1...(1 << 31)))
      )
    case let type:
      throw scaling.unsupported("rope_type", found: type, "default, linear or llama3")
    }
  }
}
