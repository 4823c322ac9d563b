import Storage
import Tensors

/// Reads Hugging Face's configurations of type `qwen2`.
extension Qwen2 {
  public static let huggingFaceTypes = ["qwen2"]

  public static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration {
    var configuration = try fields.decoder(family: name)
    configuration.attentionBias = true
    try fields.readUpperWindows(into: &configuration)
    return configuration
  }

  public static func biases(
    _ configuration: ModelConfiguration, in format: ForeignFormat
  ) -> Set<LinearKind> {
    let isLlama = format == .huggingFace && configuration.isLlamaWithBiases
    return isLlama ? Set(LinearKind.allCases) : [.query, .key, .value]
  }

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    // With more biases than the type has, a model without windows is Llama's.
    if configuration.isLlamaWithBiases { return Llama.huggingFace(configuration) }
    var object = configuration.huggingFaceMembers(
      type: "qwen2", architecture: "Qwen2ForCausalLM")
    configuration.writeUpperWindows(to: &object)
    return object
  }
}

extension ConfigurationFields {
  /// The windows of Qwen's models: with `use_sliding_window`, in the blocks from
  /// `max_window_layers` on, or where `layer_types` says so.
  func readUpperWindows(
    into configuration: inout ModelConfiguration
  ) throws(ConfigurationError) {
    let isUsed = try flag("use_sliding_window", default: false)
    let reaches = try layerTypes(configuration.layers)
    guard isUsed, let window = try slidingWindow(default: 4096) else {
      guard reaches?.contains(.local) != true else {
        throw unsupported("layer_types", "full_attention in all blocks, or use_sliding_window")
      }
      return
    }
    let first = has("max_window_layers") ? try int("max_window_layers", in: 0...(1 << 31)) : 28
    let list =
      reaches ?? (0..<configuration.layers).map { $0 < first ? .global : .local }
    guard list.contains(.local) else { return }
    configuration.slidingWindow = window
    configuration.attentionPattern = ModelConfiguration.attentionPattern(list)
  }
}

extension ModelConfiguration {
  /// Whether Hugging Face's `llama` describes the model, and the type of its family has no place for
  /// all of its biases.
  var isLlamaWithBiases: Bool {
    slidingWindow == nil && attentionBias == outputBias && (outputBias || mlpBias)
  }

  /// The windows of Qwen's models, as `readUpperWindows` reads them.
  func writeUpperWindows(to object: inout JSONObject) {
    object["use_sliding_window"] = .bool(slidingWindow != nil)
    object["sliding_window"] = slidingWindow.map { .int($0) } ?? .null
    object["layer_types"] = huggingFaceLayerTypes
    guard slidingWindow != nil else { return }
    object["max_window_layers"] = .int((0..<layers).first { reach(layer: $0) == .local } ?? layers)
  }
}
