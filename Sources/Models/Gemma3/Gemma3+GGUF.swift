/// Reads the family's GGUF files, whose gains have their 1. Where they say nothing, llama.cpp's
/// numbers for the architecture hold.
extension Gemma3 {
  public static let ggufArchitectures = ["gemma3"]

  public static func configuration(
    gguf description: GGUFDescription
  ) throws(ConfigurationError) -> ModelConfiguration {
    let fields = description.fields
    var configuration = try description.configuration(family: name)
    configuration.queryKeyNorm = true
    configuration.activation = .geluTanh
    configuration.embeddingScale = Double(configuration.width).squareRoot()
    configuration.attentionScale = ggufAttentionScale(configuration)
    let key = "attention.sliding_window"
    let window = fields.has(key) ? try fields.int(key, in: 0...1 << 31) : 0
    let pattern = try attentionPattern(
      fields, ["attention.sliding_window_pattern"], layers: configuration.layers)
    guard window > 0, pattern.hasLocalBlocks else { return configuration }
    configuration.setLocalBlocks(
      pattern, window: window,
      rotaryBase: try fields.optionalNumber("rope.freq_base_swa") ?? 10_000)
    return configuration
  }

  /// The scale of attention that llama.cpp computes with; nil for 1/√hw. The one model that has
  /// another is told by its number of blocks.
  private static func ggufAttentionScale(_ configuration: ModelConfiguration) -> Double? {
    guard configuration.layers == 62 else { return nil }
    return 1 / (Double(configuration.width) / Double(configuration.queryHeads)).squareRoot()
  }

  public static func ggufFields(
    _ configuration: ModelConfiguration
  ) throws(ConfigurationError) -> [(key: String, value: GGUFField)] {
    try checkGGUF(configuration)
    guard let window = configuration.slidingWindow else { return [] }
    // A period longer than the model has no global block.
    let pattern = configuration.attentionPattern
    let period = pattern.isEmpty ? configuration.layers + 1 : pattern.count
    guard
      ModelConfiguration.periodicPattern(period: period, layers: configuration.layers) == pattern
    else {
      throw .unsupported(
        field: "layer_types", found: "\(pattern.map(\.rawValue))",
        expected: "local blocks with a global one behind them: gemma3's files have a period")
    }
    return [
      ("attention.sliding_window", .count(window)),
      ("attention.sliding_window_pattern", .count(period)),
      ("rope.freq_base_swa", .single(configuration.localRotaryBase ?? configuration.rotaryBase)),
    ]
  }

  /// Refuses what the architecture's files have no words for.
  private static func checkGGUF(_ configuration: ModelConfiguration) throws(ConfigurationError) {
    let standard = 1 / Double(configuration.headWidth).squareRoot()
    let scale = configuration.attentionScale ?? standard
    let expected = ggufAttentionScale(configuration) ?? standard
    guard abs(scale - expected) <= 1e-9 * expected else {
      throw .unsupported(
        field: "query_pre_attn_scalar", found: "\(1 / (scale * scale))",
        expected: "\(1 / (expected * expected)): gemma3's files have no key for it")
    }
    guard !configuration.attentionBias, !configuration.outputBias, !configuration.mlpBias else {
      throw .unsupported(
        field: "attention_bias", found: "true", expected: "false: gemma3's files have no biases")
    }
  }
}
