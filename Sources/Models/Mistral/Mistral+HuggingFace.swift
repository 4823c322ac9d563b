import Storage
import Tensors

/// Reads Hugging Face's configurations of type `mistral`.
extension Mistral {
  public static let huggingFaceTypes = ["mistral"]

  public static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration {
    var configuration = try fields.decoder(family: name)
    configuration.slidingWindow = try fields.slidingWindow(default: 4096)
    return configuration
  }

  public static func biases(
    _ configuration: ModelConfiguration, in format: ForeignFormat
  ) -> Set<LinearKind> {
    let isLlama = format == .gguf || configuration.isLlamaWithBiases
    return isLlama ? Set(LinearKind.allCases) : []
  }

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    // The type has no biases; a model without a window is Llama's.
    if configuration.isLlamaWithBiases { return Llama.huggingFace(configuration) }
    var object = configuration.huggingFaceMembers(
      type: "mistral", architecture: "MistralForCausalLM")
    object["sliding_window"] = configuration.slidingWindow.map { .int($0) } ?? .null
    return object
  }
}
