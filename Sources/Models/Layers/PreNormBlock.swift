import Graphs
import Tensors

/// A pre-norm block: attention, then a gated MLP, each behind a norm (Touvron et al. 2023).
struct PreNormBlock {
  let path: String
  let attention: GroupedQueryAttention
  let mlp: GatedMLP
  let attentionNorm: RMSNormLayer
  let mlpNorm: RMSNormLayer

  init(_ configuration: ModelConfiguration, layer: Int) {
    path = ParameterPath.block(layer)
    attention = GroupedQueryAttention(layer: layer, configuration: configuration)
    mlp = GatedMLP(configuration, layer: layer)
    attentionNorm = RMSNormLayer(configuration, layer: layer, .attentionNorm)
    mlpNorm = RMSNormLayer(configuration, layer: layer, .mlpNorm)
  }

  func callAsFunction(_ x: Traced, _ context: AttentionContext) -> Traced {
    x.module(path) { x in
      let h = x + attention(attentionNorm(x), context)
      return h + mlp(mlpNorm(h))
    }
  }
}
