import Storage
import Tensors

/// Reads Hugging Face's configurations of type `qwen3`.
extension Qwen3 {
  public static let huggingFaceTypes = ["qwen3"]

  public static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration {
    var configuration = try fields.decoder(family: name, headWidth: 128)
    configuration.queryKeyNorm = true
    configuration.attentionBias = try fields.flag("attention_bias", default: false)
    configuration.outputBias = configuration.attentionBias
    try fields.readUpperWindows(into: &configuration)
    return configuration
  }

  public static func biases(
    _ configuration: ModelConfiguration, in format: ForeignFormat
  ) -> Set<LinearKind> {
    format == .huggingFace ? [.query, .key, .value, .output] : []
  }

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    var object = configuration.huggingFaceMembers(
      type: "qwen3", architecture: "Qwen3ForCausalLM")
    object["attention_bias"] = .bool(configuration.attentionBias)
    configuration.writeUpperWindows(to: &object)
    return object
  }
}
