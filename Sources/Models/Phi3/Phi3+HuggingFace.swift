import Storage

/// Reads Hugging Face's configurations of type `phi3`.
extension Phi3 {
  public static let huggingFaceTypes = ["phi3"]

  public static func configuration(
    huggingFace fields: ConfigurationFields
  ) throws(ConfigurationError) -> ModelConfiguration {
    var configuration = try fields.decoder(family: name, normEpsilon: 1e-5)
    configuration.slidingWindow = try fields.slidingWindow(default: nil)
    return configuration
  }

  public static func huggingFace(_ configuration: ModelConfiguration) -> JSONObject {
    var object = configuration.huggingFaceMembers(
      type: "phi3", architecture: "Phi3ForCausalLM")
    object["sliding_window"] = configuration.slidingWindow.map { .int($0) } ?? .null
    object["original_max_position_embeddings"] = .int(configuration.contextLength)
    object["partial_rotary_factor"] = 1
    // The class's own default is an id that a smaller vocabulary lacks.
    object["pad_token_id"] = .null
    return object
  }
}
