import Storage
import Tensors

/// Reads Hugging Face's configurations of types `gemma3_text` and `gemma3`, of which `text_config`
/// is the language model. Files leave out what these types' defaults say.
extension Gemma3 {
  public static let huggingFaceTypes = ["gemma3_text", "gemma3"]

  public static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration {
    let tiedHead = try fields.flag("tie_word_embeddings", default: true)
    guard fields["model_type"] == "gemma3" else {
      return try languageModel(fields, tiedHead: tiedHead)
    }
    try fields.checkSupported()
    return try languageModel(fields.fields("text_config"), tiedHead: tiedHead)
  }

  private static func languageModel(
    _ fields: ConfigurationFields, tiedHead: Bool
  ) throws(ConfigurationError) -> ModelConfiguration {
    try fields.checkSupported()
    try checkArithmetic(fields)
    let width = try fields.extent("hidden_size")
    let headWidth = try fields.optionalExtent("head_dim") ?? 256
    var configuration = ModelConfiguration(
      family: name, width: width, hiddenWidth: try fields.extent("intermediate_size"),
      layers: try fields.int("num_hidden_layers", in: 1...4096),
      queryHeads: try fields.optionalExtent("num_attention_heads") ?? 8,
      keyValueHeads: try fields.optionalExtent("num_key_value_heads") ?? 4, headWidth: headWidth,
      vocabularySize: try fields.optionalExtent("vocab_size") ?? 262_208,
      contextLength: try fields.optionalExtent("max_position_embeddings") ?? 131_072,
      normEpsilon: try fields.optionalNumber("rms_norm_eps") ?? 1e-6,
      tiedHead: try fields.flag("tie_word_embeddings", default: tiedHead),
      attentionBias: try fields.flag("attention_bias", default: false), queryKeyNorm: true,
      activation: .geluTanh, embeddingScale: Double(width).squareRoot())
    configuration.outputBias = configuration.attentionBias
    configuration.attentionScale = try attentionScale(fields, headWidth: headWidth)
    let localBase = try readRotary(fields, into: &configuration)
    var pattern = try attentionPattern(
      fields, ["sliding_window_pattern", "_sliding_window_pattern"], layers: configuration.layers)
    if let reaches = try fields.layerTypes(configuration.layers) {
      pattern = ModelConfiguration.attentionPattern(reaches)
    }
    guard pattern.hasLocalBlocks else { return configuration }
    guard let window = try fields.slidingWindow(default: 4096) else {
      throw fields.damaged("sliding_window", "the length of local blocks' windows")
    }
    configuration.setLocalBlocks(pattern, window: window, rotaryBase: localBase)
    return configuration
  }

  /// Refuses what Gemma 3 does not do, though its configuration has words for it.
  private static func checkArithmetic(
    _ fields: ConfigurationFields
  ) throws(ConfigurationError) {
    let activation = fields["hidden_activation"]
    guard !fields.has("hidden_activation") || activation == "gelu_pytorch_tanh" else {
      throw fields.unsupported("hidden_activation", "\"gelu_pytorch_tanh\"")
    }
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] where fields[key] != nil {
      throw fields.unsupported(key, "null")
    }
    guard try !fields.flag("use_bidirectional_attention", default: false) else {
      throw fields.unsupported("use_bidirectional_attention", "false")
    }
  }

  /// 1/√query_pre_attn_scalar; nil where that is 1/√hw.
  private static func attentionScale(
    _ fields: ConfigurationFields, headWidth: Int
  ) throws(ConfigurationError) -> Double? {
    let scalar = try fields.optionalNumber("query_pre_attn_scalar") ?? 256
    guard scalar > 0 else { throw fields.damaged("query_pre_attn_scalar", "a number above 0") }
    return scalar == Double(headWidth) ? nil : 1 / scalar.squareRoot()
  }

  /// Reads the base of global blocks and returns that of local ones, of which newer files keep an
  /// object each in `rope_parameters`.
  private static func readRotary(
    _ fields: ConfigurationFields, into configuration: inout ModelConfiguration
  ) throws(ConfigurationError) -> Double {
    var (global, local) = (fields, fields)
    var localKey = "rope_local_base_freq"
    if fields["rope_parameters"] != nil {
      let parameters = try fields.fields("rope_parameters")
      global = try parameters.fields("full_attention")
      local = try parameters.fields("sliding_attention")
      localKey = "rope_theta"
      guard try local.rotaryScaling() == .none else {
        throw local.unsupported("rope_type", "default")
      }
      configuration.rotaryScaling = try global.rotaryScaling()
    } else if fields["rope_scaling"] != nil {
      configuration.rotaryScaling = try fields.fields("rope_scaling").rotaryScaling()
    }
    configuration.rotaryBase = try global.optionalNumber("rope_theta") ?? 1_000_000
    return try local.optionalNumber(localKey) ?? 10_000
  }

  /// The reaches of blocks of which each last one of a period is global: 6 unless a key says it.
  static func attentionPattern(
    _ fields: ConfigurationFields, _ keys: [String], layers: Int
  ) throws(ConfigurationError) -> [AttentionReach] {
    let key = keys.first { fields[$0] != nil }
    let period = try key.map { (key) throws(ConfigurationError) in
      try fields.int(key, in: 1...4096)
    }
    return ModelConfiguration.periodicPattern(period: period ?? 6, layers: layers)
  }

  public static func biases(
    _ configuration: ModelConfiguration, in format: ForeignFormat
  ) -> Set<LinearKind> {
    format == .huggingFace ? [.query, .key, .value, .output] : []
  }

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    var object = configuration.huggingFaceMembers(
      type: "gemma3_text", architecture: "Gemma3ForCausalLM")
    object["hidden_activation"] = object["hidden_act"]
    object["hidden_act"] = nil
    object["query_pre_attn_scalar"] = queryScalar(configuration)
    object["attention_bias"] = .bool(configuration.attentionBias)
    object["layer_types"] = configuration.huggingFaceLayerTypes
    if let window = configuration.slidingWindow { object["sliding_window"] = .int(window) }
    if let base = configuration.localRotaryBase { object["rope_local_base_freq"] = .number(base) }
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] { object[key] = .null }
    return object
  }

  /// The number whose root scores are divided by: a whole one where rounding may have made it none.
  private static func queryScalar(_ configuration: ModelConfiguration) -> JSONValue {
    guard let scale = configuration.attentionScale else { return .int(configuration.headWidth) }
    let scalar = 1 / (scale * scale)
    let whole = scalar.rounded()
    return abs(scalar - whole) < 1e-9 * scalar ? .int(Int(whole)) : .number(scalar)
  }
}

extension [AttentionReach] {
  /// Whether blocks of this pattern are local; an empty one makes all local.
  var hasLocalBlocks: Bool { isEmpty || contains(.local) }
}

extension ModelConfiguration {
  /// Sets what local blocks have of their own.
  mutating func setLocalBlocks(_ pattern: [AttentionReach], window: Int, rotaryBase: Double) {
    slidingWindow = window
    attentionPattern = pattern
    localRotaryBase = rotaryBase
  }
}
