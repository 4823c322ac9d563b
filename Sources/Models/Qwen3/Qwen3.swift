/// Qwen3 (Yang et al. 2025): pre-norm blocks as Llama's, with queries and keys normalised head by
/// head before their rotation, and heads whose width does not follow from the model's.
public struct Qwen3: PreNormFamily {
  public static let name = "qwen3"

  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }
}
