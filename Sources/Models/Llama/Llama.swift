import Configurations
import Graphs
import Operations
import Tensors

/// A Llama-family decoder, traced into a graph: the forward pass and nothing else.
public struct Llama: Sendable {
  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }

  /// The forward pass of `batch` windows of `tokens` tokens down to the per-token loss.
  ///
  /// Inputs: "tokens", "targets" (−1: not scored) and "document_starts", int32 [batch · tokens].
  /// Output: "loss" f32 [batch · tokens], in nats.
  /// - Parameter elementType: how the checkpoint stores the parameter of that name.
  public func traceLoss(
    batch: Int, tokens: Int, elementType: @escaping (String) -> ElementType
  ) -> Graph {
    let tracer = Tracer(elementType: elementType)
    let ids = TensorType([batch * tokens], .int32)
    let starts = tracer.input("document_starts", ids)
    let context = attentionContext(
      tracer, positions: tokens, span: .windows(tokens: tokens, starts: starts))
    let x = decoder(tracer.input("tokens", ids), context)  // [N, D]
    let loss = x.applying(HeadLoss(), head(tracer), tracer.input("targets", ids))[0]
    tracer.output("loss", loss)
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
    let x = decoder(tracer.input("tokens", TensorType([rows], .int32)), context)
    tracer.output("logits", x.applying(Linear(), head(tracer))[0])  // [rows, V]
    return tracer.graph
  }

  private func decoder(_ tokens: Traced, _ context: AttentionContext) -> Traced {
    let embedding = EmbeddingLayer(
      path: "embedding", vocabularySize: configuration.vocabularySize, width: configuration.width)
    let norm = RMSNormLayer(
      path: "norm", width: configuration.width, epsilon: configuration.normEpsilon)
    var x = embedding(tokens)
    for layer in 0..<configuration.layers {
      x = LlamaBlock(configuration, layer: layer)(x, context)
    }
    return norm(x)
  }

  private func head(_ tracer: Tracer) -> Traced {
    tracer.parameter(
      configuration.tiedHead ? "embedding" : "head",
      [configuration.vocabularySize, configuration.width])
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
