import Storage

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

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    var object = configuration.huggingFaceMembers(
      type: "mistral", architecture: "MistralForCausalLM")
    object["sliding_window"] = configuration.slidingWindow.map { .int($0) } ?? .null
    return object
  }
}
