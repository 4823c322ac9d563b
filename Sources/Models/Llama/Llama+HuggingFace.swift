import Storage
import Tensors

/// Reads Hugging Face's configurations of type `llama`.
extension Llama {
  public static let huggingFaceTypes = ["llama"]

  public static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration {
    var configuration = try fields.decoder(family: name)
    configuration.attentionBias = try fields.flag("attention_bias", default: false)
    configuration.outputBias = configuration.attentionBias
    configuration.mlpBias = try fields.flag("mlp_bias", default: false)
    return configuration
  }

  public static func biases(
    _ configuration: ModelConfiguration, in format: ForeignFormat
  ) -> Set<LinearKind> {
    if format == .huggingFace, configuration.attentionBias, !configuration.outputBias {
      return [.query, .key, .value]
    }
    return Set(LinearKind.allCases)
  }

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    // Checkpoints made before Qwen2 was a family of its own name Llama's.
    if configuration.attentionBias, !configuration.outputBias {
      return Qwen2.huggingFace(configuration)
    }
    var object = configuration.huggingFaceMembers(
      type: "llama", architecture: "LlamaForCausalLM")
    object["attention_bias"] = .bool(configuration.attentionBias)
    object["mlp_bias"] = .bool(configuration.mlpBias)
    return object
  }
}
