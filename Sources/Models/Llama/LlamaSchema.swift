import Tensors

extension Llama {
  public static func schema(_ configuration: ModelConfiguration) -> ModelSchema {
    let c = configuration
    var table = [
      ParameterDescription(
        path: ParameterPath(.embedding), shape: [c.vocabularySize, c.width], kind: .table,
        foreignNames: [
          .huggingFace: "model.embed_tokens.weight", .gguf: "token_embd.weight",
        ])
    ]
    for layer in 0..<c.layers { table += block(layer, c) }
    table.append(
      ParameterDescription(
        path: ParameterPath(.norm), shape: [c.width], kind: .gain,
        foreignNames: [.huggingFace: "model.norm.weight", .gguf: "output_norm.weight"]))
    if !c.tiedHead {
      table.append(
        ParameterDescription(
          path: ParameterPath(.head), shape: [c.vocabularySize, c.width], kind: .table,
          foreignNames: [.huggingFace: headName, .gguf: "output.weight"]))
    }
    return ModelSchema(table)
  }

  /// The output head's name, under which a tied model's embedding may be stored too.
  private static let headName = "lm_head.weight"

  /// The parameters of a block, in file order.
  private static func block(_ layer: Int, _ c: ModelConfiguration) -> [ParameterDescription] {
    func norm(_ role: ParameterRole, _ name: String, _ gguf: String) -> [ParameterDescription] {
      [
        ParameterDescription(
          path: ParameterPath(layer: layer, role), shape: [c.width], kind: .gain,
          foreignNames: [
            .huggingFace: "model.layers.\(layer).\(name).weight",
            .gguf: "blk.\(layer).\(gguf).weight",
          ])
      ]
    }
    func linear(_ kind: LinearKind, _ outputs: Int, _ inputs: Int, bias: Bool)
      -> [ParameterDescription]
    {
      let role = ParameterRole.linear(kind)
      let name = "model.layers.\(layer).\(huggingFaceName(kind))"
      let gguf = "blk.\(layer).\(ggufName(kind))"
      let isRotary = kind == .query || kind == .key
      let matrix = ParameterDescription(
        path: ParameterPath(layer: layer, role), shape: [outputs, inputs], kind: .matrix,
        writesToResidual: kind == .output || kind == .down, hasRotaryRows: isRotary,
        foreignNames: [.huggingFace: name + ".weight", .gguf: gguf + ".weight"])
      guard bias else { return [matrix] }
      let added = ParameterDescription(
        path: ParameterPath(layer: layer, role.bias), shape: [outputs], kind: .bias,
        hasRotaryRows: isRotary,
        foreignNames: [.huggingFace: name + ".bias", .gguf: gguf + ".bias"])
      return [matrix, added]
    }
    return norm(.attentionNorm, "input_layernorm", "attn_norm")
      + linear(.query, c.queryWidth, c.width, bias: c.attentionBias)
      + linear(.key, c.keyValueWidth, c.width, bias: c.attentionBias)
      + linear(.value, c.keyValueWidth, c.width, bias: c.attentionBias)
      + linear(.output, c.width, c.queryWidth, bias: c.outputBias)
      + norm(.mlpNorm, "post_attention_layernorm", "ffn_norm")
      + linear(.gate, c.hiddenWidth, c.width, bias: c.mlpBias)
      + linear(.up, c.hiddenWidth, c.width, bias: c.mlpBias)
      + linear(.down, c.width, c.hiddenWidth, bias: c.mlpBias)
  }

  private static func huggingFaceName(_ kind: LinearKind) -> String {
    switch kind {
    case .query: "self_attn.q_proj"
    case .key: "self_attn.k_proj"
    case .value: "self_attn.v_proj"
    case .output: "self_attn.o_proj"
    case .gate: "mlp.gate_proj"
    case .up: "mlp.up_proj"
    case .down: "mlp.down_proj"
    }
  }

  private static func ggufName(_ kind: LinearKind) -> String {
    switch kind {
    case .query: "attn_q"
    case .key: "attn_k"
    case .value: "attn_v"
    case .output: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    }
  }

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
