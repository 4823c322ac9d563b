/// Reads the family's GGUF files.
extension Qwen3 {
  public static let ggufArchitectures = ["qwen3"]

  public static func configuration(
    gguf description: GGUFDescription
  ) throws(ConfigurationError) -> ModelConfiguration {
    var configuration = try description.configuration(family: name)
    configuration.queryKeyNorm = true
    return configuration
  }
}
