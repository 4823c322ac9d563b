/// Mistral 7B and its kin (Jiang et al. 2023): pre-norm blocks as Llama's, whose attention sees a
/// sliding window in every block. Without a window it is Llama.
public struct Mistral: PreNormFamily {
  public static let name = "mistral"

  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }
}
