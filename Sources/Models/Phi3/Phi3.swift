import Tensors

/// Phi-3 (Abdin et al. 2024): pre-norm blocks as Llama's with a sliding window. Its files keep
/// query, key and value in one matrix and gate and up in another; here they are matrices of their
/// own, which methods can choose apart.
public struct Phi3: PreNormFamily {
  public static let name = "phi3"

  public let configuration: ModelConfiguration

  public init(_ configuration: ModelConfiguration) { self.configuration = configuration }

  public static func schema(_ configuration: ModelConfiguration) -> ModelSchema {
    ModelSchema(configuration) { block in
      var block = block
      block.tensors = { kind in fusedTensors(kind, configuration) }
      return block.preNorm
    }
  }

  /// Rows of [query; key; value] and of [gate; up].
  private static func fusedTensors(
    _ kind: LinearKind, _ c: ModelConfiguration
  ) -> [ForeignFormat: ForeignTensor] {
    func attention(_ first: Int, _ count: Int) -> [ForeignFormat: ForeignTensor] {
      fused(
        [.huggingFace: "self_attn.qkv_proj", .gguf: "attn_qkv"], first..<first + count,
        of: c.queryWidth + 2 * c.keyValueWidth)
    }
    func mlp(_ first: Int) -> [ForeignFormat: ForeignTensor] {
      fused(
        [.huggingFace: "mlp.gate_up_proj", .gguf: "ffn_up"], first..<first + c.hiddenWidth,
        of: 2 * c.hiddenWidth)
    }
    return switch kind {
    case .query: attention(0, c.queryWidth)
    case .key: attention(c.queryWidth, c.keyValueWidth)
    case .value: attention(c.queryWidth + c.keyValueWidth, c.keyValueWidth)
    case .gate: mlp(0)
    case .up: mlp(c.hiddenWidth)
    case .output, .down: BlockSchema.separateTensors(kind)
    }
  }

  private static func fused(
    _ names: [ForeignFormat: String], _ rows: Range<Int>, of rowCount: Int
  ) -> [ForeignFormat: ForeignTensor] {
    names.mapValues { ForeignTensor($0, rows: rows, of: rowCount) }
  }
}
