/// Reads the family's GGUF files.
extension Phi3 {
  public static let ggufArchitectures = ["phi3"]

  public static func configuration(
    gguf description: GGUFDescription
  ) throws(ConfigurationError) -> ModelConfiguration {
    guard !description.tensors.contains("rope_factors_long.weight") else {
      throw .unsupported(
        field: "tensors", found: "rope_factors_long.weight",
        expected: "no longrope: " + RotaryScaling.longropeReason)
    }
    var configuration = try description.configuration(family: name)
    // 0 is how files say that there is no window.
    let key = "attention.sliding_window"
    let window = description.fields.has(key) ? try description.fields.int(key, in: 0...1 << 31) : 0
    configuration.slidingWindow = window == 0 ? nil : window
    return configuration
  }

  public static func ggufFields(
    _ configuration: ModelConfiguration
  ) -> [(key: String, value: GGUFField)] {
    [("attention.sliding_window", .count(configuration.slidingWindow ?? 0))]
  }

  /// llama.cpp has turned the architecture's window off.
  public static func ggufNotes(_ configuration: ModelConfiguration) -> [String] {
    guard let window = configuration.slidingWindow, window < configuration.contextLength else {
      return []
    }
    return [
      "the file says that tokens attend to the last \(window), but llama.cpp lets them attend to "
        + "all: behind token \(window) it computes something else than sparseft and transformers"
    ]
  }
}
