import Graphs
import Operations
import Tensors

/// What attention reads in addition to the normalised residual stream.
struct AttentionContext {
  /// cos and sin of the positions' angles, [positions, hw/2].
  let cosine: Traced
  let sine: Traced
  let span: AttentionSpan
}

/// Which earlier tokens attention can see.
enum AttentionSpan {
  /// Windows of T tokens; `starts` is where each token's document begins in its window.
  case windows(tokens: Int, starts: Traced)
  /// New tokens behind a cache of earlier keys and values.
  case cache(rows: Int, capacity: Int, position: Traced)
}

/// Grouped-query self-attention with rotary positions (Ainslie et al. 2023; Su et al. 2021).
struct LlamaAttention {
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
      let q = rotated(query(x), heads: c.queryHeads, context)  // [N, Hq·hw]
      let k = rotated(key(x), heads: c.keyValueHeads, context)  // [N, Hkv·hw]
      return output(attended(q, k, value(x), context))
    }
  }

  private func rotated(_ x: Traced, heads: Int, _ context: AttentionContext) -> Traced {
    switch context.span {
    case .windows(let tokens, _):
      x.applying(Rotary(heads: heads, tokens: tokens), context.cosine, context.sine)[0]
    case .cache(let rows, _, let position):
      x.applying(
        Rotary(heads: heads, tokens: rows, hasOffset: true), context.cosine, context.sine, position)[
          0]
    }
  }

  private func attended(
    _ q: Traced, _ k: Traced, _ v: Traced, _ context: AttentionContext
  ) -> Traced {
    func layout(_ tokens: Int) -> AttentionLayout {
      AttentionLayout(
        tokens: tokens, queryHeads: configuration.queryHeads,
        keyValueHeads: configuration.keyValueHeads, headWidth: configuration.headWidth)
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

/// A pre-norm decoder block (Touvron et al. 2023).
struct LlamaBlock {
  let path: String
  let attention: LlamaAttention
  let mlp: GatedMLP
  let attentionNorm: RMSNormLayer
  let mlpNorm: RMSNormLayer

  init(_ configuration: ModelConfiguration, layer: Int) {
    let path = ParameterPath.block(layer)
    self.path = path
    let (width, hidden) = (configuration.width, configuration.hiddenWidth)
    func linear(_ kind: LinearKind, _ inputs: Int, _ outputs: Int) -> LinearLayer {
      LinearLayer(
        path: kind.path(layer: layer), inputs: inputs, outputs: outputs,
        hasBias: configuration.mlpBias)
    }
    func norm(_ role: ParameterRole) -> RMSNormLayer {
      RMSNormLayer(
        path: ParameterPath(layer: layer, role).description, width: width,
        epsilon: configuration.normEpsilon)
    }
    attention = LlamaAttention(layer: layer, configuration: configuration)
    mlp = GatedMLP(
      path: "\(path).mlp", gate: linear(.gate, width, hidden), up: linear(.up, width, hidden),
      down: linear(.down, hidden, width))
    attentionNorm = norm(.attentionNorm)
    mlpNorm = norm(.mlpNorm)
  }

  func callAsFunction(_ x: Traced, _ context: AttentionContext) -> Traced {
    x.module(path) { x in
      let h = x + attention(attentionNorm(x), context)
      return h + mlp(mlpNorm(h))
    }
  }
}
