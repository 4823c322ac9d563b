import Graphs
import Operations
import Tensors

/// A decoder as all families here build it: an embedding, blocks over one residual stream, a norm
/// and a head. A family says what its block is.
///
/// Letters: N = batch · tokens, D width, V vocabulary.
public struct Decoder {
  /// The forward pass of one block, counted from the bottom: the residual stream, [N, D], as it
  /// enters and as it leaves it.
  typealias Block = (_ x: Traced, _ layer: Int, _ context: AttentionContext) -> Traced

  private let configuration: ModelConfiguration
  private let block: Block

  init(_ configuration: ModelConfiguration, block: @escaping Block) {
    self.configuration = configuration
    self.block = block
  }

  /// As `ModelFamily.traceLoss`.
  func traceLoss(
    batch: Int, tokens: Int, from first: Int, streams: [Int] = [],
    elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids: Shape = [batch * tokens]
    let context = windowContext(tracer, ids, tokens: tokens)
    let x =
      first == 0
      ? embedded(tracer.input(.tokens, ids))
      : tracer.input(.prefix, [batch * tokens, configuration.width])
    for layer in streams {
      // What the block above would read.
      let stream = tracer.input(.stream(behind: layer), [batch * tokens, configuration.width])
      _ = stream.module(ParameterPath.block(layer + 1)) { $0 }
    }
    let h = decoded(x, by: first..<configuration.layers, context)
    let loss = normalised(h).applying(HeadLoss(), head(tracer), tracer.input(.targets, ids))[0]
    tracer.output(.loss, loss)
    return tracer.graph
  }

  /// As `ModelFamily.tracePrefix`.
  func tracePrefix(
    batch: Int, tokens: Int, through last: Int, streams: [Int] = [],
    elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids: Shape = [batch * tokens]
    let context = windowContext(tracer, ids, tokens: tokens)
    var x = embedded(tracer.input(.tokens, ids))
    var done = 0
    for layer in streams {
      x = decoded(x, by: done..<layer + 1, context)
      done = layer + 1
      _ = tracer.input(.stream(behind: layer), x.shape).applying(Overwrite(), x)
    }
    tracer.output(.prefix, decoded(x, by: done..<last, context))
    return tracer.graph
  }

  /// As `ModelFamily.traceLogits`.
  func traceLogits(
    batch: Int, tokens: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids: Shape = [batch * tokens]
    let context = windowContext(tracer, ids, tokens: tokens)
    let h = decoded(embedded(tracer.input(.tokens, ids)), by: 0..<configuration.layers, context)
    tracer.output(.logits, normalised(h).applying(Linear(), head(tracer))[0])  // [N, V]
    return tracer.graph
  }

  /// As `ModelFamily.traceDecoding`.
  func traceDecoding(
    rows: Int, capacity: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let position = tracer.input(.position, [1])
    let context = AttentionContext(
      tracer, configuration, positions: capacity,
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
      width: configuration.width, scale: configuration.embeddingScale)(
        tokens)
  }

  private func decoded(
    _ x: Traced, by blocks: Range<Int>, _ context: AttentionContext
  ) -> Traced {
    blocks.reduce(x) { x, layer in block(x, layer, context) }
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
    return AttentionContext(
      tracer, configuration, positions: tokens, span: .windows(tokens: tokens, starts: starts))
  }
}
