import Storage
import Tensors

extension ModelConfiguration {
  /// The members of a `config.json` that all families share; the inverse of
  /// `ConfigurationFields.decoder`.
  ///
  /// - Parameters:
  ///   - type: the `model_type`.
  ///   - architecture: the class that `transformers` loads.
  func huggingFaceMembers(type: String, architecture: String) -> JSONObject {
    var object = JSONObject([
      ("architectures", [.string(architecture)]), ("model_type", .string(type)),
      ("hidden_size", .int(width)), ("intermediate_size", .int(hiddenWidth)),
      ("num_hidden_layers", .int(layers)), ("num_attention_heads", .int(queryHeads)),
      ("num_key_value_heads", .int(keyValueHeads)), ("head_dim", .int(headWidth)),
      ("vocab_size", .int(vocabularySize)), ("max_position_embeddings", .int(contextLength)),
      ("rms_norm_eps", .number(normEpsilon)), ("hidden_act", .string(activation.huggingFaceName)),
      ("rope_theta", .number(rotaryBase)), ("tie_word_embeddings", .bool(tiedHead)),
    ])
    object["rope_scaling"] = rotaryScaling.huggingFace
    return object
  }

  /// Each block's reach, as `layer_types`.
  var huggingFaceLayerTypes: JSONValue {
    .array(
      (0..<layers).map { reach(layer: $0) == .local ? "sliding_attention" : "full_attention" })
  }
}

extension Activation {
  /// The name in `hidden_act`.
  var huggingFaceName: String {
    switch self {
    case .silu: "silu"
    case .geluTanh: "gelu_pytorch_tanh"
    }
  }
}

extension RotaryScaling {
  /// The value of `rope_scaling`.
  var huggingFace: JSONValue {
    switch self {
    case .none: .null
    case .linear(let factor): ["rope_type": "linear", "factor": .number(factor)]
    case .llama3(let factor, let low, let high, let length):
      [
        "rope_type": "llama3", "factor": .number(factor), "low_freq_factor": .number(low),
        "high_freq_factor": .number(high), "original_max_position_embeddings": .int(length),
      ]
    }
  }
}
