import Checkpoints
import Interchange
import Models
import Storage
import Tensors
import TestSupport

/// How a test wants a Hugging Face folder's weights stored.
enum HuggingFaceType: String, CaseIterable {
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"

  /// The bytes of values, rounded.
  func encode(_ values: [Float]) -> [UInt8] {
    switch self {
    case .f32: bytes(of: values)
    case .f16: values.flatMap { littleEndian(Float16($0).bitPattern) }
    case .bf16: values.flatMap { littleEndian(bfloat16Bits($0)) }
    }
  }

  /// What comes back.
  func rounded(_ value: Float) -> Float {
    switch self {
    case .f32: value
    case .f16: Float(Float16(value))
    case .bf16: float(bfloat16Bits: bfloat16Bits(value))
    }
  }
}

/// A tensor of a safetensors file that a test writes.
struct SafetensorsItem {
  var name: String
  var type: HuggingFaceType
  var shape: [Int]
  var values: [Float]
}

/// The bytes of a safetensors file; `edit` may spoil the header.
func safetensors(
  _ items: [SafetensorsItem], edit: (JSONValue) -> JSONValue = { $0 }
) -> [UInt8] {
  var header: JSONObject = ["__metadata__": ["format": "pt"]]
  var data: [UInt8] = []
  for item in items {
    let encoded = item.type.encode(item.values)
    header[item.name] = [
      "dtype": .string(item.type.rawValue), "shape": .array(item.shape.map(JSONValue.int)),
      "data_offsets": [.int(data.count), .int(data.count + encoded.count)],
    ]
    data += encoded
  }
  let text = Array(edit(.object(header)).encoded().utf8)
  return littleEndian(UInt64(text.count)) + text + data
}

/// Writes folders as Hugging Face's transformers does.
struct HuggingFaceFolder {
  let folder: TemporaryFolder
  let configuration: ModelConfiguration
  let weights: [String: [Float]]

  init(_ configuration: ModelConfiguration) throws {
    folder = try TemporaryFolder()
    self.configuration = configuration
    weights = TinyModel.weights(configuration)
    try folder.write(TinyModel.wordTokenizer(), to: "m/tokenizer.model")
    try write(config: Self.config(configuration))
  }

  /// The keys that every version of transformers writes, and those of the model's family.
  static func config(_ c: ModelConfiguration) -> JSONValue {
    var config: JSONObject = [
      "architectures": ["LlamaForCausalLM"], "model_type": .string(c.family),
      "hidden_act": "silu", "hidden_size": .int(c.width),
      "intermediate_size": .int(c.hiddenWidth), "num_hidden_layers": .int(c.layers),
      "num_attention_heads": .int(c.queryHeads), "num_key_value_heads": .int(c.keyValueHeads),
      "vocab_size": .int(c.vocabularySize), "max_position_embeddings": .int(c.contextLength),
      "rms_norm_eps": .number(c.normEpsilon), "rope_theta": .number(c.rotaryBase),
      "tie_word_embeddings": .bool(c.tiedHead), "attention_bias": .bool(c.outputBias),
      "mlp_bias": .bool(c.mlpBias), "rope_scaling": nil, "torch_dtype": "float32",
    ]
    if c.headWidth * c.queryHeads != c.width { config["head_dim"] = .int(c.headWidth) }
    if c.family != "llama" {
      config["sliding_window"] = c.slidingWindow.map { .int($0) } ?? .null
      config["use_sliding_window"] = .bool(c.slidingWindow != nil)
      config["layer_types"] = .array(
        (0..<c.layers).map {
          c.reach(layer: $0) == .local ? "sliding_attention" : "full_attention"
        })
    }
    return .object(config)
  }

  func write(config: JSONValue) throws {
    try folder.write(config.encoded(.pretty), to: "m/config.json")
  }

  /// Every parameter under its Hugging Face name; Phi-3's in the matrices that it shares with
  /// others.
  func items(_ type: HuggingFaceType) -> [SafetensorsItem] {
    var items: [SafetensorsItem] = []
    for parameter in configuration.parameters {
      let name = Self.name(parameter.name, isFused: configuration.family == "phi3")
      let values = weights[parameter.name] ?? []
      if let place = items.firstIndex(where: { $0.name == name }) {
        items[place].shape[0] += parameter.shape[0]
        items[place].values += values
      } else {
        items.append(
          SafetensorsItem(
            name: name, type: type, shape: parameter.shape.extents, values: values))
      }
    }
    return items
  }

  static func name(_ parameter: String, isFused: Bool = false) -> String {
    let top = [
      "embedding": "model.embed_tokens.weight", "norm": "model.norm.weight",
      "head": "lm_head.weight",
    ]
    if let name = top[parameter] { return name }
    var inner = [
      "attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm",
      "query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj",
      "output": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj",
      "down": "mlp.down_proj", "query_norm": "self_attn.q_norm", "key_norm": "self_attn.k_norm",
    ]
    if isFused {
      for name in ["query", "key", "value"] { inner[name] = "self_attn.qkv_proj" }
      for name in ["gate", "up"] { inner[name] = "mlp.gate_up_proj" }
    }
    var parts = parameter.split(whereSeparator: { "[].".contains($0) }).map(String.init)
    let kind = parts.last == "bias" ? parts.removeLast() : "weight"
    return "model.layers.\(parts[1]).\(inner[parts[parts.count - 1]] ?? "").\(kind)"
  }

  /// Letters and three special tokens; "<s>" begins a text if `begins`.
  static func tokenizerJSON(begins: Bool = false, type: String = "BPE") -> JSONValue {
    let special = ["<s>", "</s>", "<|end|>"]
    let single: [JSONValue] = begins ? [["SpecialToken": ["id": "<s>"]]] : []
    return [
      "added_tokens": .array(
        special.enumerated().map { ["id": .int($0 + 4), "content": .string($1), "special": true] }),
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false],
      "post_processor": [
        "type": "TemplateProcessing", "single": .array(single + [["Sequence": ["id": "A"]]]),
      ],
      "decoder": ["type": "ByteLevel"],
      "model": [
        "type": .string(type), "vocab": ["a": 0, "b": 1, "Ġ": 2, "ab": 3], "merges": ["a b"],
      ],
    ]
  }

  /// Writes all weights into one file.
  func write(_ items: [SafetensorsItem]) throws {
    try folder.write(safetensors(items), to: "m/model.safetensors")
  }

  /// Imports the folder.
  func imported(_ type: ElementType? = nil) throws -> Checkpoint {
    try CheckpointImport.run(
      source: folder["m/"], tokenizer: nil, elementType: type, output: folder["x"])
    return try Checkpoint.open(folder["x"])
  }
}
