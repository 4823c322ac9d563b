import Tensors

/// Llama 1 to 3.2 (Touvron et al. 2023; Grattafiori et al. 2024), SmolLM2 and other models of that
/// shape: pre-norm blocks of grouped-query attention with rotary positions and a gated MLP.
public struct Llama: PreNormFamily {
  public static let name = "llama"

  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }

  /// Roles of a block's tensors in the order of llama2.c's files, which group tensors by role.
  public enum Llama2cOrder {
    /// The norms of version 0, where they precede the matrices.
    public static let norms: [ParameterRole] = [.attentionNorm, .mlpNorm]
    public static let attention: [ParameterRole] =
      [LinearKind.query, .key, .value, .output].map(ParameterRole.linear)
    public static let mlp: [ParameterRole] =
      [LinearKind.gate, .down, .up].map(ParameterRole.linear)
  }
}
