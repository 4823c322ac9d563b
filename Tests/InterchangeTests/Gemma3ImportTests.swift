import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

@testable import Interchange

/// Gemma 3's folders: configurations old, new and with a vision model around them, gains without
/// their 1, names of language models that were saved with a vision model.
@Suite struct Gemma3ImportTests {
  /// The keys that older versions of transformers write.
  private static func config(_ c: ModelConfiguration) -> JSONValue {
    let scale = c.attentionScale ?? 1
    return [
      "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text",
      "hidden_activation": "gelu_pytorch_tanh", "hidden_size": .int(c.width),
      "intermediate_size": .int(c.hiddenWidth), "num_hidden_layers": .int(c.layers),
      "num_attention_heads": .int(c.queryHeads), "num_key_value_heads": .int(c.keyValueHeads),
      "head_dim": .int(c.headWidth), "vocab_size": .int(c.vocabularySize),
      "max_position_embeddings": .int(c.contextLength), "rms_norm_eps": .number(c.normEpsilon),
      "rope_theta": .number(c.rotaryBase), "rope_local_base_freq": 1e4,
      "rope_scaling": ["rope_type": "linear", "factor": 8.0],
      "query_pre_attn_scalar": .number(1 / (scale * scale)), "sliding_window": 5,
      "sliding_window_pattern": 3, "attn_logit_softcapping": nil, "final_logit_softcapping": nil,
    ]
  }

  private let folder: HuggingFaceFolder
  private let expected = TinyModel.gemma3()

  init() throws {
    folder = try HuggingFaceFolder(expected)
    try folder.write(config: Self.config(expected))
  }

  private func read(_ changes: [String: JSONValue?]) throws -> ModelConfiguration {
    let config = changes.reduce(Self.config(expected)) { $0.replacing([$1.key], with: $1.value) }
    let path = try folder.folder.write(config.encoded(), to: "c/config.json")
    return try HuggingFaceFormat.configuration(path: path)
  }

  @Test func readsOldAndNewSpellings() throws {
    #expect(try read([:]) == expected)
    let types: JSONValue = ["sliding_attention", "sliding_attention", "full_attention"]
    let rotary: JSONValue = [
      "full_attention": ["rope_type": "linear", "factor": 8.0, "rope_theta": 1e6],
      "sliding_attention": ["rope_type": "default", "rope_theta": 1e4],
    ]
    let new = try read([
      "sliding_window_pattern": .none, "layer_types": types, "rope_theta": .none,
      "rope_local_base_freq": .none, "rope_scaling": .none, "rope_parameters": rotary,
    ])
    #expect(new == expected)
    #expect(
      try read(["sliding_window_pattern": .none, "_sliding_window_pattern": 3]) == expected)
    let wrapped = try folder.folder.write(
      JSONValue.object([
        "model_type": "gemma3", "text_config": Self.config(expected), "vision_config": [:],
      ]).encoded(), to: "c/config.json")
    #expect(try HuggingFaceFormat.configuration(path: wrapped) == expected)
  }

  @Test func fillsInDefaults() throws {
    let plain = try read([
      "num_attention_heads": .none, "num_key_value_heads": .none, "head_dim": .none,
      "vocab_size": .none, "max_position_embeddings": .none, "rms_norm_eps": .none,
      "rope_theta": .none, "rope_local_base_freq": .none, "rope_scaling": nil,
      "query_pre_attn_scalar": .none, "sliding_window": .none, "sliding_window_pattern": .none,
      "hidden_activation": .none, "num_hidden_layers": 8,
    ])
    #expect(plain.queryHeads == 8 && plain.keyValueHeads == 4 && plain.headWidth == 256)
    #expect(plain.vocabularySize == 262_208 && plain.contextLength == 131_072)
    #expect(plain.rotaryBase == 1e6 && plain.localRotaryBase == 1e4)
    #expect(plain.rotaryScaling == .none && plain.attentionScale == nil && plain.tiedHead)
    #expect(plain.slidingWindow == 4096)
    #expect((0..<8).map { plain.reach(layer: $0) }.firstIndex(of: .global) == 5)
    let global = try read(["sliding_window_pattern": 1])
    #expect(global.slidingWindow == nil && global.localRotaryBase == nil)
    #expect(try !read(["tie_word_embeddings": false]).tiedHead)
    #expect(try read(["attention_bias": true]).outputBias)
  }

  @Test func refusesWhatItCannotCompute() {
    let huge: JSONValue = .int(.max)
    let cases: [[String: JSONValue?]] = [
      ["attn_logit_softcapping": 50.0], ["final_logit_softcapping": 30.0],
      ["use_bidirectional_attention": true], ["hidden_activation": "gelu"],
      ["hidden_activation": .null], ["query_pre_attn_scalar": 0], ["query_pre_attn_scalar": -1],
      ["query_pre_attn_scalar": 1e300], ["sliding_window": .null], ["sliding_window": 0],
      ["sliding_window": huge], ["sliding_window_pattern": 0], ["layer_types": []],
      ["layer_types": ["full_attention"]], ["layer_types": ["a", "b", "c"]],
      ["rope_parameters": [:]], ["rope_local_base_freq": 0], ["rope_theta": "x"],
      ["rope_scaling": ["rope_type": "yarn", "factor": 2.0]],
      ["rope_parameters": ["full_attention": ["rope_type": "default"]]],
      [
        "rope_parameters": [
          "full_attention": ["rope_type": "default"],
          "sliding_attention": ["rope_type": "linear", "factor": 2.0],
        ]
      ],
      ["num_hidden_layers": huge], ["num_hidden_layers": 5000], ["hidden_size": huge],
      ["head_dim": 7], ["vocab_size": huge], ["num_key_value_heads": 3],
      ["quantization_config": ["bits": 4]], ["model_type": "gemma3"],
      ["model_type": "gemma3", "text_config": 1], ["model_type": "gemma2"],
    ]
    for changes in cases { expectBadData("\(changes)") { _ = try read(changes) } }
  }

  @Test func readsGGUFMetadata() throws {
    let metadata: JSONObject = [
      "embedding_length": 32, "feed_forward_length": 48, "block_count": 12, "context_length": 128,
      "attention.head_count": 4, "attention.head_count_kv": 1, "attention.key_length": 12,
      "attention.value_length": 12, "attention.layer_norm_rms_epsilon": 1e-6,
      "attention.sliding_window": 5, "rope.freq_base": 1e6, "rope.scaling.type": "linear",
      "rope.scaling.factor": 8.0,
    ]
    func read(_ changes: [(String, JSONValue)]) throws -> ModelConfiguration {
      var object = metadata
      for (key, value) in changes { object[key] = value }
      return try Gemma3.configuration(
        gguf: GGUFDescription(
          architecture: "gemma3", fields: ConfigurationFields(object), vocabularySize: 40,
          tensors: [], rotaryFactors: nil))
    }
    var plain = TinyModel.gemma3(layers: 12)
    plain.attentionPattern = [.local, .local, .local, .local, .local, .global]
    plain.attentionScale = nil
    #expect(try read([]) == plain)
    #expect(try read([("attention.sliding_window_pattern", 3)]).reach(layer: 2) == .global)
    #expect(try read([("rope.freq_base_swa", 5e4)]).localRotaryBase == 5e4)
    #expect(try read([("block_count", 4)]).attentionPattern.isEmpty)
    #expect(try read([("block_count", 62)]).attentionScale == 1 / 8.0.squareRoot())
    let global = try read([("attention.sliding_window", 0)])
    #expect(global.slidingWindow == nil && global.localRotaryBase == nil)
    #expect(throws: ConfigurationError.self) {
      try read([("attention.sliding_window_pattern", .int(1 << 40))])
    }
  }

  @Test func exportsWhatItImports() throws {
    let configuration = TinyModel.gemma3(vocabularySize: 384)
    let files = folder.folder
    let base = try TinyModel.checkpoint(
      at: files["base.sfckpt"], configuration,
      tokenizer: TemporaryFolder.read(
        SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model"))
    _ = try HuggingFaceExport.write(ExportedModel(base), as: .f32, to: files["hf"])
    try CheckpointImport.run(
      source: files["hf"], tokenizer: nil, elementType: nil, output: files["back.sfckpt"])
    let back = try Checkpoint.open(files["back.sfckpt"])
    #expect(back.configuration == configuration)
    for tensor in base.tensors {
      let values = tensor.widened()
      let expected = tensor.shape.rank == 1 ? values.map { ($0 - 1) + 1 } : values
      #expect(back.tensor(tensor.name)?.widened() == expected, "\(tensor.name)")
    }
  }

  /// What a file holds of a parameter: gains without their 1.
  private func items(_ rename: (String) -> String = { $0 }) -> [SafetensorsItem] {
    expected.parameters.map { parameter in
      let values = folder.weights[parameter.name] ?? []
      return SafetensorsItem(
        name: rename(parameter.foreignTensors[.huggingFace]?.name ?? ""), type: .f32,
        shape: parameter.shape.extents,
        values: parameter.kind == .gain ? values.map { $0 - 1 } : values)
    }
  }

  private func expectWeights(_ checkpoint: Checkpoint) {
    for tensor in checkpoint.tensors {
      let values = folder.weights[tensor.name] ?? []
      let isGain = tensor.name.hasSuffix("norm")
      #expect(
        tensor.widened() == (isGain ? values.map { ($0 - 1) + 1 } : values), "\(tensor.name)")
    }
  }

  @Test func addsOneToGains() throws {
    try folder.write(items())
    let checkpoint = try folder.imported()
    #expect(checkpoint.configuration == expected)
    expectWeights(checkpoint)
    #expect(checkpoint.metadata["left_out"] == nil)
  }

  @Test func leavesVisionModelsOut() throws {
    let vision = ["vision_tower.x.weight", "multi_modal_projector.y"]
    let spellings: [(rename: (String) -> String, prefix: String)] = [
      ({ "language_model." + $0 }, ""),
      ({ $0.replacingPrefix("model.", "model.language_model.") }, "model."),
    ]
    for (rename, prefix) in spellings {
      let more = vision.map {
        SafetensorsItem(name: prefix + $0, type: .bf16, shape: [2], values: [1, 2])
      }
      try folder.write(items(rename) + more)
      let checkpoint = try folder.imported()
      expectWeights(checkpoint)
      #expect(checkpoint.metadata["left_out"] == "2 tensors of a vision model")
    }
    let twice = items() + [items { "language_model." + $0 }[0]]
    try folder.write(twice)
    expectBadData("a tensor under two names") { _ = try folder.imported() }
  }
}

extension String {
  fileprivate func replacingPrefix(_ prefix: String, _ other: String) -> String {
    hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
  }
}
