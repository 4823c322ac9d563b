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
    // The one model whose scale is not that of its heads' width is told by its number of blocks.
    if configuration.layers == 62 {
      let share = Double(configuration.width) / Double(configuration.queryHeads)
      configuration.attentionScale = 1 / share.squareRoot()
    }
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
}
