import Storage

/// What the config.json of several families say in the same words. Keys that don't affect the
/// arithmetic are passed over.
extension ConfigurationFields {
  /// The configuration of a decoder with SiLU, without biases and windows; families set what
  /// differs.
  ///
  /// - Parameters:
  ///   - headWidth: where the file has no `head_dim`; nil for `hidden_size` by the number of heads.
  ///   - normEpsilon: where the file has no `rms_norm_eps`.
  func decoder(
    family: String, headWidth: Int? = nil, normEpsilon: Double = 1e-6
  ) throws(ConfigurationError) -> ModelConfiguration {
    try checkSiLU()
    try checkSupported()
    let width = try extent("hidden_size")
    let heads = try extent("num_attention_heads")
    let stated = try optionalExtent("head_dim") ?? headWidth
    guard stated != nil || width % heads == 0 else {
      throw .damaged(
        field: "hidden_size", found: "\(width) with \(heads) heads",
        expected: "a multiple of num_attention_heads, or head_dim")
    }
    let (base, scaling) = try rotary()
    return ModelConfiguration(
      family: family, width: width, hiddenWidth: try extent("intermediate_size"),
      layers: try extent("num_hidden_layers"), queryHeads: heads,
      keyValueHeads: try optionalExtent("num_key_value_heads") ?? heads,
      headWidth: stated ?? width / heads, vocabularySize: try extent("vocab_size"),
      contextLength: try extent("max_position_embeddings"),
      normEpsilon: try optionalNumber("rms_norm_eps") ?? normEpsilon, rotaryBase: base,
      rotaryScaling: scaling, tiedHead: try flag("tie_word_embeddings", default: false))
  }

  private func checkSiLU() throws(ConfigurationError) {
    let activation = self["hidden_act"]
    guard !has("hidden_act") || activation == "silu" || activation == "swish" else {
      throw unsupported("hidden_act", "\"silu\"")
    }
  }

  /// Refuses what changes the arithmetic of any family.
  func checkSupported() throws(ConfigurationError) {
    guard self["quantization_config"] == nil else {
      throw unsupported("quantization_config", "weights that are not quantised")
    }
    if let share = self["partial_rotary_factor"]?.double, share != 1 {
      throw unsupported("partial_rotary_factor", "1")
    }
  }

  /// Newer files keep `rope_theta` and the scaling together in `rope_parameters`.
  private func rotary() throws(ConfigurationError) -> (base: Double, RotaryScaling) {
    let key = ["rope_parameters", "rope_scaling"].first { self[$0] != nil }
    let base = try optionalNumber("rope_theta") ?? 10_000
    guard let key else { return (base, .none) }
    let scaling = try fields(key)
    if let share = scaling["partial_rotary_factor"]?.double, share != 1 {
      throw scaling.unsupported("partial_rotary_factor", "1")
    }
    return (try scaling.optionalNumber("rope_theta") ?? base, try scaling.rotaryScaling())
  }

  /// The scaling that an object of `rope_type` and its factors describes.
  func rotaryScaling() throws(ConfigurationError) -> RotaryScaling {
    switch self[has("rope_type") ? "rope_type" : "type"] ?? "default" {
    case "default": return .none
    case "linear": return .linear(factor: try number("factor"))
    case "llama3":
      return .llama3(
        factor: try number("factor"), lowFrequencyFactor: try number("low_freq_factor"),
        highFrequencyFactor: try number("high_freq_factor"),
        originalContextLength: try int("original_max_position_embeddings", in: 1...(1 << 31)))
    case "longrope", "su":
      throw unsupported(
        "rope_type", found: "longrope",
        "default, linear or llama3: " + RotaryScaling.longropeReason)
    case let type: throw unsupported("rope_type", found: type, "default, linear or llama3")
    }
  }

  /// The sliding window of every block: a null one means none.
  ///
  /// - Parameter value: where the file has no `sliding_window`.
  func slidingWindow(default value: Int?) throws(ConfigurationError) -> Int? {
    has("sliding_window") ? try optionalExtent("sliding_window") : value
  }

  /// The reach of every block by `layer_types`; nil if the file has no such list.
  func layerTypes(_ layers: Int) throws(ConfigurationError) -> [AttentionReach]? {
    guard let value = self["layer_types"] else { return nil }
    let words: [String: AttentionReach] = [
      "full_attention": .global, "sliding_attention": .local,
    ]
    guard let list = value.array, list.count == layers else {
      throw damaged("layer_types", "a list of \(layers) words")
    }
    var reaches: [AttentionReach] = []
    for word in list {
      guard let reach = word.string.flatMap({ words[$0] }) else {
        throw unsupported("layer_types", found: word, "full_attention or sliding_attention")
      }
      reaches.append(reach)
    }
    return reaches
  }
}

extension RotaryScaling {
  /// Why longrope is not implemented.
  static let longropeReason =
    "longrope's factors depend on the length of the text, so that keys in a cache would be out of "
    + "date when it grows"
}
