import Configurations
import Graphs
import Operations
import Tensors

/// A Llama-family decoder, traced into a graph: the forward pass and nothing else.
public struct Llama: Sendable {
  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }

  /// The name of the residual stream where a pass is cut in two: an output of the lower part, an
  /// input of the upper one.
  public static let prefix = "prefix"

  /// The forward pass of `batch` windows of `tokens` tokens down to the per-token loss.
  ///
  /// N = batch · tokens, D width. Inputs: "tokens", "targets" (−1: not scored) and
  /// "document_starts", int32 [N]. Output: "loss" f32 [N], in nats.
  /// - Parameters:
  ///   - block: the block to start at, 0 to the number of blocks. Above 0 an input "prefix",
  ///     f32 [N, D], the residual stream entering that block, takes the place of "tokens".
  ///   - elementType: how the checkpoint stores the parameter of that name.
  public func traceLoss(
    batch: Int, tokens: Int, from block: Int = 0, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids = TensorType([batch * tokens], .int32)
    let context = windowContext(tracer, ids, tokens: tokens)
    let x =
      block == 0
      ? embedded(tracer.input("tokens", ids))
      : tracer.input(Self.prefix, TensorType([batch * tokens, configuration.width]))
    let h = decoded(x, by: block..<configuration.layers, context)
    let loss = normalised(h).applying(HeadLoss(), head(tracer), tracer.input("targets", ids))[0]
    tracer.output("loss", loss)
    return tracer.graph
  }

  /// The part of the forward pass below a block: what `traceLoss` from that block goes on with.
  ///
  /// Inputs: "tokens" and "document_starts", int32 [N]. Output: "prefix" f32 [N, D], the residual
  /// stream entering `block`.
  /// - Parameters:
  ///   - block: 0 to the number of blocks.
  ///   - elementType: how the checkpoint stores the parameter of that name.
  public func tracePrefix(
    batch: Int, tokens: Int, through block: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids = TensorType([batch * tokens], .int32)
    let context = windowContext(tracer, ids, tokens: tokens)
    let x = embedded(tracer.input("tokens", ids))
    tracer.output(Self.prefix, decoded(x, by: 0..<block, context))
    return tracer.graph
  }

  /// The forward pass of `rows` tokens behind a cache, down to the logits.
  ///
  /// Inputs: "tokens" int32 [rows], "position" int32 [1] (of the first row). External:
  /// "layers[i].attention.keys" and ".values", f32 [capacity, Hkv·hw]. Output: "logits"
  /// f32 [rows, V].
  public func traceDecoding(
    rows: Int, capacity: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let position = tracer.input("position", TensorType([1], .int32))
    let context = attentionContext(
      tracer, positions: capacity,
      span: .cache(rows: rows, capacity: capacity, position: position))
    let x = embedded(tracer.input("tokens", TensorType([rows], .int32)))
    let h = decoded(x, by: 0..<configuration.layers, context)
    tracer.output("logits", normalised(h).applying(Linear(), head(tracer))[0])  // [rows, V]
    return tracer.graph
  }

  /// Tokens → the residual stream, [N, D].
  private func embedded(_ tokens: Traced) -> Traced {
    EmbeddingLayer(
      path: "embedding", vocabularySize: configuration.vocabularySize, width: configuration.width)(
        tokens)
  }

  private func decoded(
    _ x: Traced, by blocks: Range<Int>, _ context: AttentionContext
  ) -> Traced {
    blocks.reduce(x) { x, layer in LlamaBlock(configuration, layer: layer)(x, context) }
  }

  private func normalised(_ x: Traced) -> Traced {
    RMSNormLayer(path: "norm", width: configuration.width, epsilon: configuration.normEpsilon)(x)
  }

  private func head(_ tracer: Tracer) -> Traced {
    tracer.parameter(
      configuration.tiedHead ? "embedding" : "head",
      [configuration.vocabularySize, configuration.width])
  }

  private func windowContext(
    _ tracer: Tracer, _ ids: TensorType, tokens: Int
  ) -> AttentionContext {
    let starts = tracer.input("document_starts", ids)
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
