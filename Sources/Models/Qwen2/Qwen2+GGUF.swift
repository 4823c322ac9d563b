/// Reads the family's GGUF files; biases are where the file has them.
extension Qwen2 {
  public static let ggufArchitectures = ["qwen2"]

  public static func configuration(
    gguf description: GGUFDescription
  ) throws(ConfigurationError) -> ModelConfiguration {
    try description.configuration(family: name)
  }
}
