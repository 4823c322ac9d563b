/// What a GGUF file says of its model, as families read it.
///
/// Meanings and defaults of keys are llama.cpp's (`llama-arch.cpp`, `llama-model.cpp`).
public struct GGUFDescription: Sendable {
  /// The value of `general.architecture`.
  public let architecture: String
  /// The metadata whose keys begin with the architecture's name, by the rest of their keys.
  public let fields: ConfigurationFields
  /// Rows of the embedding.
  public let vocabularySize: Int
  /// Names of all tensors.
  public let tensors: Set<String>
  /// The file's factors on rotary wavelengths (`rope_freqs.weight`), one per pair of a head; nil if
  /// it has none.
  public let rotaryFactors: [Float]?

  public init(
    architecture: String, fields: ConfigurationFields, vocabularySize: Int,
    tensors: Set<String>, rotaryFactors: [Float]?
  ) {
    self.architecture = architecture
    self.fields = fields
    self.vocabularySize = vocabularySize
    self.tensors = tensors
    self.rotaryFactors = rotaryFactors
  }

  /// A configuration of what all families' files say alike. Families change what differs.
  /// - Throws: `ConfigurationError` for what is missing, wrong or not supported.
  public func configuration(family: String) throws(ConfigurationError) -> ModelConfiguration {
    try checkSupported()
    let width = try fields.extent("embedding_length")
    let heads = try uniformExtent("attention.head_count")
    let keyValueHeads =
      fields["attention.head_count_kv"] == nil
      ? heads : try uniformExtent("attention.head_count_kv")
    let headWidth = try headWidth(width: width, heads: heads)
    let (base, scaling) = try rotary(headWidth: headWidth)
    return ModelConfiguration(
      family: family, width: width, hiddenWidth: try uniformExtent("feed_forward_length"),
      layers: try fields.extent("block_count"), queryHeads: heads, keyValueHeads: keyValueHeads,
      headWidth: headWidth, vocabularySize: vocabularySize,
      contextLength: try fields.extent("context_length"),
      normEpsilon: try epsilon(), rotaryBase: base, rotaryScaling: scaling,
      tiedHead: !tensors.contains("output.weight"),
      attentionBias: tensors.contains("blk.0.attn_q.bias"),
      outputBias: tensors.contains("blk.0.attn_output.bias"),
      mlpBias: tensors.contains("blk.0.ffn_down.bias"))
  }

  /// Keys that change the arithmetic in ways that no family has.
  private func checkSupported() throws(ConfigurationError) {
    for key in ["expert_count", "attention.clamp_kqv", "attention.max_alibi_bias"] {
      if let value = fields[key]?.double, value != 0 { throw fields.unsupported(key, "0") }
    }
    for key in [
      "logit_scale", "embedding_scale", "residual_scale", "attention.scale",
      "attn_logit_softcapping", "final_logit_softcapping",
    ] where fields[key] != nil {
      throw fields.unsupported(key, "no such factor")
    }
    if fields["attention.causal"] == false { throw fields.unsupported("attention.causal", "true") }
  }

  /// An extent that files may also list block by block, if it is the same in all of them.
  private func uniformExtent(_ key: String) throws(ConfigurationError) -> Int {
    guard let list = fields[key]?.array else { return try fields.extent(key) }
    guard let first = list.first?.int, (1...1 << 31).contains(first),
      list.allSatisfy({ $0.int == first })
    else { throw fields.unsupported(key, "the same number, from 1, in all blocks") }
    return first
  }

  private func headWidth(width: Int, heads: Int) throws(ConfigurationError) -> Int {
    let stated = try fields.optionalExtent("attention.key_length")
    guard stated != nil || width % heads == 0 else {
      throw fields.damaged(
        "attention.head_count", "a divisor of embedding_length, or attention.key_length")
    }
    let headWidth = stated ?? width / heads
    for key in ["attention.value_length", "rope.dimension_count"] {
      if let other = try fields.optionalExtent(key), other != headWidth {
        throw fields.unsupported(key, "\(headWidth), the width of a head")
      }
    }
    return headWidth
  }

  private func epsilon() throws(ConfigurationError) -> Double {
    // A single; its shortest decimals are what the file was made from.
    let value = try fields.number("attention.layer_norm_rms_epsilon")
    return Double(Float(value).description) ?? value
  }

  private func rotary(
    headWidth: Int
  ) throws(ConfigurationError) -> (base: Double, scaling: RotaryScaling) {
    let base = try fields.optionalNumber("rope.freq_base") ?? 10_000
    let scaling = try scaling()
    guard let rotaryFactors else { return (base, scaling) }
    guard scaling == .none else {
      throw fields.unsupported("rope.scaling.type", "none beside the tensor rope_freqs.weight")
    }
    let length = try fields.optionalExtent("rope.scaling.original_context_length")
    guard
      let found = RotaryScaling(
        factors: rotaryFactors, base: base, headWidth: headWidth, originalContextLength: length)
    else {
      throw .unsupported(
        field: "rope_freqs.weight", found: "\(rotaryFactors.count) factors",
        expected: "\(headWidth / 2) factors that a linear or llama3 rule gives")
    }
    return (base, found)
  }

  private func scaling() throws(ConfigurationError) -> RotaryScaling {
    let type = fields["rope.scaling.type"]
    // Older files have a factor and no type.
    let key = fields["rope.scaling.factor"] == nil ? "rope.scale_linear" : "rope.scaling.factor"
    let factor = try fields.optionalNumber(key)
    switch type?.string ?? (factor == nil ? "none" : "linear") {
    case "none": return .none
    case "linear": return factor.map { $0 == 1 ? .none : .linear(factor: $0) } ?? .none
    default: throw fields.unsupported("rope.scaling.type", "none or linear")
    }
  }
}
