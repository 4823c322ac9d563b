import Tensors

extension Gemma3 {
  public static func schema(_ configuration: ModelConfiguration) -> ModelSchema {
    ModelSchema(configuration, gainOffsets: [.huggingFace: 1]) { block in
      block.norm(.attentionNorm, [.huggingFace: "input_layernorm", .gguf: "attn_norm"])
        + block.attention
        + block.norm(
          .attentionPostNorm,
          [.huggingFace: "post_attention_layernorm", .gguf: "post_attention_norm"])
        + block.norm(
          .mlpNorm, [.huggingFace: "pre_feedforward_layernorm", .gguf: "ffn_norm"])
        + block.mlp
        + block.norm(
          .mlpPostNorm, [.huggingFace: "post_feedforward_layernorm", .gguf: "post_ffw_norm"])
    }
  }

  public static let otherTensors = "of a vision model"

  /// Files that hold a vision model, too, name the language model's tensors differently from those
  /// that don't, and differently by their age.
  public static func languageModelName(huggingFace name: String) -> String? {
    let vision = ["vision_tower.", "multi_modal_projector."]
    guard !vision.contains(where: { name.hasPrefix($0) || name.hasPrefix("model." + $0) })
    else { return nil }
    for (prefix, replacement) in [("model.language_model.", "model."), ("language_model.", "")]
    where name.hasPrefix(prefix) {
      return replacement + name.dropFirst(prefix.count)
    }
    return name
  }
}
