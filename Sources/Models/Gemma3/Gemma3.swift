import Graphs
import Tensors

/// Gemma 3's text models (Gemma Team 2025): scaled embeddings, blocks that normalise what enters
/// and what leaves attention and MLP, normalised queries and keys, a GELU gate, five local blocks
/// to a global one, and a tied head.
///
/// Gains are stored here as the factor that they are; Gemma's own files leave off 1.
public struct Gemma3: ModelFamily {
  public static let name = "gemma3"

  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }

  public var decoder: Decoder {
    Decoder(configuration) { x, layer, context in
      Gemma3Block(configuration, layer: layer)(x, context)
    }
  }
}

/// A block with norms before and behind both of its parts.
struct Gemma3Block {
  let path: String
  let attention: GroupedQueryAttention
  let mlp: GatedMLP
  let attentionNorm: RMSNormLayer
  let attentionPostNorm: RMSNormLayer
  let mlpNorm: RMSNormLayer
  let mlpPostNorm: RMSNormLayer

  init(_ configuration: ModelConfiguration, layer: Int) {
    path = ParameterPath.block(layer)
    attention = GroupedQueryAttention(layer: layer, configuration: configuration)
    mlp = GatedMLP(configuration, layer: layer)
    attentionNorm = RMSNormLayer(configuration, layer: layer, .attentionNorm)
    attentionPostNorm = RMSNormLayer(configuration, layer: layer, .attentionPostNorm)
    mlpNorm = RMSNormLayer(configuration, layer: layer, .mlpNorm)
    mlpPostNorm = RMSNormLayer(configuration, layer: layer, .mlpPostNorm)
  }

  func callAsFunction(_ x: Traced, _ context: AttentionContext) -> Traced {
    x.module(path) { x in
      let h = x + attentionPostNorm(attention(attentionNorm(x), context))
      return h + mlpPostNorm(mlp(mlpNorm(h)))
    }
  }
}
