import Tensors

/// The parameters of one block of a decoder, in file order, with their names in other formats.
struct BlockSchema {
  let configuration: ModelConfiguration
  let layer: Int
  /// The tensors of other formats that hold a linear map's matrix, named without block and suffix.
  var tensors: (LinearKind) -> [ForeignFormat: ForeignTensor] = BlockSchema.separateTensors
  /// What gains are more than what a format's files hold, where that is not 0.
  var gainOffsets: [ForeignFormat: Float] = [:]

  /// A tensor for each linear map.
  static func separateTensors(_ kind: LinearKind) -> [ForeignFormat: ForeignTensor] {
    switch kind {
    case .query: [.huggingFace: "self_attn.q_proj", .gguf: "attn_q"]
    case .key: [.huggingFace: "self_attn.k_proj", .gguf: "attn_k"]
    case .value: [.huggingFace: "self_attn.v_proj", .gguf: "attn_v"]
    case .output: [.huggingFace: "self_attn.o_proj", .gguf: "attn_output"]
    case .gate: [.huggingFace: "mlp.gate_proj", .gguf: "ffn_gate"]
    case .up: [.huggingFace: "mlp.up_proj", .gguf: "ffn_up"]
    case .down: [.huggingFace: "mlp.down_proj", .gguf: "ffn_down"]
    }
  }

  /// A block of attention and an MLP, each behind a norm (`PreNormBlock`).
  var preNorm: [ParameterDescription] {
    norm(.attentionNorm, [.huggingFace: "input_layernorm", .gguf: "attn_norm"]) + attention
      + norm(.mlpNorm, [.huggingFace: "post_attention_layernorm", .gguf: "ffn_norm"]) + mlp
  }

  /// The parameters of `GroupedQueryAttention`.
  var attention: [ParameterDescription] {
    let c = configuration
    return linear(.query, c.queryWidth, c.width, bias: c.attentionBias)
      + headNorm(.queryNorm, [.huggingFace: "self_attn.q_norm", .gguf: "attn_q_norm"])
      + linear(.key, c.keyValueWidth, c.width, bias: c.attentionBias)
      + headNorm(.keyNorm, [.huggingFace: "self_attn.k_norm", .gguf: "attn_k_norm"])
      + linear(.value, c.keyValueWidth, c.width, bias: c.attentionBias)
      + linear(.output, c.width, c.queryWidth, bias: c.outputBias)
  }

  /// The parameters of `GatedMLP`.
  var mlp: [ParameterDescription] {
    let c = configuration
    return linear(.gate, c.hiddenWidth, c.width, bias: c.mlpBias)
      + linear(.up, c.hiddenWidth, c.width, bias: c.mlpBias)
      + linear(.down, c.width, c.hiddenWidth, bias: c.mlpBias)
  }

  /// A gain [D] of a norm over the residual stream.
  func norm(
    _ role: ParameterRole, _ tensors: [ForeignFormat: ForeignTensor]
  ) -> [ParameterDescription] {
    [
      ParameterDescription(
        path: ParameterPath(layer: layer, role), shape: [configuration.width], kind: .gain,
        foreignTensors: qualified(tensors, ".weight").adding(gainOffsets))
    ]
  }

  private func headNorm(
    _ role: ParameterRole, _ tensors: [ForeignFormat: ForeignTensor]
  ) -> [ParameterDescription] {
    guard configuration.queryKeyNorm else { return [] }
    return [
      ParameterDescription(
        path: ParameterPath(layer: layer, role), shape: [configuration.headWidth], kind: .gain,
        hasRotaryRows: true, foreignTensors: qualified(tensors, ".weight").adding(gainOffsets))
    ]
  }

  private func linear(
    _ kind: LinearKind, _ outputs: Int, _ inputs: Int, bias: Bool
  ) -> [ParameterDescription] {
    let role = ParameterRole.linear(kind)
    let isRotary = kind == .query || kind == .key
    let matrix = ParameterDescription(
      path: ParameterPath(layer: layer, role), shape: [outputs, inputs], kind: .matrix,
      writesToResidual: kind == .output || kind == .down, hasRotaryRows: isRotary,
      foreignTensors: qualified(tensors(kind), ".weight"))
    guard bias else { return [matrix] }
    let added = ParameterDescription(
      path: ParameterPath(layer: layer, role.bias), shape: [outputs], kind: .bias,
      hasRotaryRows: isRotary, foreignTensors: qualified(tensors(kind), ".bias"))
    return [matrix, added]
  }

  private func qualified(
    _ tensors: [ForeignFormat: ForeignTensor], _ suffix: String
  ) -> [ForeignFormat: ForeignTensor] {
    Dictionary(
      uniqueKeysWithValues: tensors.map { format, tensor in
        switch format {
        case .huggingFace: (format, tensor.qualified("model.layers.\(layer).", suffix))
        case .gguf: (format, tensor.qualified("blk.\(layer).", suffix))
        }
      })
  }
}

extension ModelSchema {
  /// The schema of a decoder: the embedding, what `block` lists of each block, the last norm, and
  /// the head unless it is tied.
  ///
  /// - Parameter gainOffsets: what gains are more than what a format's files hold.
  init(
    _ configuration: ModelConfiguration, gainOffsets: [ForeignFormat: Float] = [:],
    block: (BlockSchema) -> [ParameterDescription]
  ) {
    let c = configuration
    func table(
      _ role: ParameterRole, _ tensors: [ForeignFormat: ForeignTensor]
    ) -> ParameterDescription {
      ParameterDescription(
        path: ParameterPath(role), shape: [c.vocabularySize, c.width], kind: .table,
        foreignTensors: tensors)
    }
    let gains: [ForeignFormat: ForeignTensor] = [
      .huggingFace: "model.norm.weight", .gguf: "output_norm.weight",
    ]
    let norm = ParameterDescription(
      path: ParameterPath(.norm), shape: [c.width], kind: .gain,
      foreignTensors: gains.adding(gainOffsets))
    let embedding = table(
      .embedding, [.huggingFace: "model.embed_tokens.weight", .gguf: "token_embd.weight"])
    let head = table(.head, [.huggingFace: "lm_head.weight", .gguf: "output.weight"])
    let blocks = (0..<c.layers).flatMap { layer in
      block(BlockSchema(configuration: c, layer: layer, gainOffsets: gainOffsets))
    }
    self.init([embedding] + blocks + [norm] + (c.tiedHead ? [] : [head]))
  }
}

extension [ForeignFormat: ForeignTensor] {
  /// The same tensors, with each format's constant added to the elements.
  fileprivate func adding(_ offsets: [ForeignFormat: Float]) -> Self {
    Dictionary(
      uniqueKeysWithValues: map { format, tensor in
        (format, tensor.adding(offsets[format] ?? 0))
      })
  }
}
