import Graphs
import Operations
import Tensors

/// Grouped-query self-attention with rotary positions (Ainslie et al. 2023; Su et al. 2021), over all
/// of a document or, in local blocks, its last tokens (Beltagy et al. 2020); queries and keys are
/// normalised first where the configuration says so (Henry et al. 2020).
struct GroupedQueryAttention {
  let layer: Int
  let configuration: ModelConfiguration

  private var path: String { "\(ParameterPath.block(layer)).attention" }

  private func linear(
    _ kind: LinearKind, _ inputs: Int, _ outputs: Int, bias: Bool
  ) -> LinearLayer {
    LinearLayer(
      path: kind.path(layer: layer), inputs: inputs, outputs: outputs, hasBias: bias)
  }

  func callAsFunction(_ x: Traced, _ context: AttentionContext) -> Traced {
    let c = configuration
    let query = linear(.query, c.width, c.queryWidth, bias: c.attentionBias)
    let key = linear(.key, c.width, c.keyValueWidth, bias: c.attentionBias)
    let value = linear(.value, c.width, c.keyValueWidth, bias: c.attentionBias)
    let output = linear(.output, c.queryWidth, c.width, bias: c.outputBias)
    return x.module(path) { x in
      let q = rotated(normalised(query(x), .queryNorm), heads: c.queryHeads, context)  // [N, Hq·hw]
      let k = rotated(normalised(key(x), .keyNorm), heads: c.keyValueHeads, context)  // [N, Hkv·hw]
      return output(attended(q, k, value(x), context))
    }
  }

  private func normalised(_ x: Traced, _ role: ParameterRole) -> Traced {
    guard configuration.queryKeyNorm else { return x }
    return RMSNormLayer(
      path: ParameterPath(layer: layer, role).description, width: configuration.headWidth,
      epsilon: configuration.normEpsilon, isPerHead: true)(x)
  }

  private func rotated(_ x: Traced, heads: Int, _ context: AttentionContext) -> Traced {
    let angles = context.angles(configuration.reach(layer: layer))
    return switch context.span {
    case .windows(let tokens, _):
      x.applying(Rotary(heads: heads, tokens: tokens), angles.cosine, angles.sine)[0]
    case .cache(let rows, _, let position):
      x.applying(
        Rotary(heads: heads, tokens: rows, hasOffset: true), angles.cosine, angles.sine, position)[
          0]
    }
  }

  private func attended(
    _ q: Traced, _ k: Traced, _ v: Traced, _ context: AttentionContext
  ) -> Traced {
    func layout(_ tokens: Int) -> AttentionLayout {
      AttentionLayout(
        tokens: tokens, queryHeads: configuration.queryHeads,
        keyValueHeads: configuration.keyValueHeads, headWidth: configuration.headWidth,
        scale: configuration.attentionScale.map { Float($0) },
        window: configuration.window(layer: layer))
    }
    switch context.span {
    case .windows(let tokens, let starts):
      return q.applying(Attention(layout: layout(tokens)), k, v, starts)[0]
    case .cache(_, let capacity, let position):
      let type = TensorType([capacity, configuration.keyValueWidth])
      let keys = q.tracer.external("\(path).keys", type)
      let values = q.tracer.external("\(path).values", type)
      _ = k.applying(CacheStore(), keys, position)
      _ = v.applying(CacheStore(), values, position)
      return q.applying(CachedAttention(layout: layout(capacity)), keys, values, position)[0]
    }
  }
}
