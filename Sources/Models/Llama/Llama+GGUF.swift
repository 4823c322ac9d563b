/// Reads the family's GGUF files: Llama 1 to 3.2, Mistral and what else llama.cpp counts as `llama`.
extension Llama {
  public static let ggufArchitectures = ["llama"]
  public static let ggufInterleavesRotaryRows = true

  public static func configuration(
    gguf description: GGUFDescription
  ) throws(ConfigurationError) -> ModelConfiguration {
    try description.configuration(family: name)
  }
}
