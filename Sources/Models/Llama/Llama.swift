import Graphs
import Operations
import Tensors

/// A Llama-family decoder, traced into a graph: the forward pass and nothing else.
public struct Llama: ModelFamily {
  public static let name = "llama"

  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }

  public func traceLoss(
    batch: Int, tokens: Int, from block: Int = 0, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids: Shape = [batch * tokens]
    let context = windowContext(tracer, ids, tokens: tokens)
    let x =
      block == 0
      ? embedded(tracer.input(.tokens, ids))
      : tracer.input(.prefix, [batch * tokens, configuration.width])
    let h = decoded(x, by: block..<configuration.layers, context)
    let loss = normalised(h).applying(HeadLoss(), head(tracer), tracer.input(.targets, ids))[0]
    tracer.output(.loss, loss)
    return tracer.graph
  }

  public func tracePrefix(
    batch: Int, tokens: Int, through block: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids: Shape = [batch * tokens]
    let context = windowContext(tracer, ids, tokens: tokens)
    let x = embedded(tracer.input(.tokens, ids))
    tracer.output(.prefix, decoded(x, by: 0..<block, context))
    return tracer.graph
  }

  public func traceDecoding(
    rows: Int, capacity: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let position = tracer.input(.position, [1])
    let context = attentionContext(
      tracer, positions: capacity,
      span: .cache(rows: rows, capacity: capacity, position: position))
    let x = embedded(tracer.input(.tokens, [rows]))
    let h = decoded(x, by: 0..<configuration.layers, context)
    tracer.output(.logits, normalised(h).applying(Linear(), head(tracer))[0])  // [rows, V]
    return tracer.graph
  }

  /// Tokens → the residual stream, [N, D].
  private func embedded(_ tokens: Traced) -> Traced {
    EmbeddingLayer(
      path: ParameterRole.embedding.rawValue, vocabularySize: configuration.vocabularySize,
      width: configuration.width)(
        tokens)
  }

  private func decoded(
    _ x: Traced, by blocks: Range<Int>, _ context: AttentionContext
  ) -> Traced {
    blocks.reduce(x) { x, layer in LlamaBlock(configuration, layer: layer)(x, context) }
  }

  private func normalised(_ x: Traced) -> Traced {
    RMSNormLayer(
      path: ParameterRole.norm.rawValue, width: configuration.width,
      epsilon: configuration.normEpsilon)(x)
  }

  private func head(_ tracer: Tracer) -> Traced {
    let role = configuration.tiedHead ? ParameterRole.embedding : .head
    return tracer.parameter(
      role.rawValue, [configuration.vocabularySize, configuration.width], kind: .table)
  }

  private func windowContext(
    _ tracer: Tracer, _ ids: Shape, tokens: Int
  ) -> AttentionContext {
    let starts = tracer.input(.documentStarts, ids)
    return attentionContext(
      tracer, positions: tokens, span: .windows(tokens: tokens, starts: starts))
  }

  private func attentionContext(
    _ tracer: Tracer, positions: Int, span: AttentionSpan
  ) -> AttentionContext {
    let table = RotaryTable(configuration, positions: positions)
    let shape: Shape = [positions, table.halfWidth]
    return AttentionContext(
      cosine: tracer.constant("rotary_cosine", shape, table.cosine),
      sine: tracer.constant("rotary_sine", shape, table.sine), span: span)
  }
}
