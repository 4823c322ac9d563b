/// Qwen2 and Qwen2.5 (Yang et al. 2024): pre-norm blocks as Llama's, with biases on query, key and
/// value, and, in some models, a sliding window in the upper blocks.
public struct Qwen2: PreNormFamily {
  public static let name = "qwen2"

  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }
}
