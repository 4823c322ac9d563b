import Models
import Storage

extension ModelConfiguration {
  /// The configuration as a header's JSON; `docs/format.md` lists the keys.
  var json: JSONValue {
    var object = shape
    // Files without the key belong to the Llama family.
    if family != Llama.name { object["family"] = .string(family) }
    return .object(object)
  }

  private var shape: JSONObject {
    [
      "width": .int(width), "hidden_width": .int(hiddenWidth), "layers": .int(layers),
      "query_heads": .int(queryHeads), "key_value_heads": .int(keyValueHeads),
      "head_width": .int(headWidth), "vocabulary_size": .int(vocabularySize),
      "context_length": .int(contextLength), "norm_epsilon": .number(normEpsilon),
      "rotary_base": .number(rotaryBase), "rotary_scaling": rotaryScaling.json,
      "tied_head": .bool(tiedHead), "attention_bias": .bool(attentionBias),
      "output_bias": .bool(outputBias), "mlp_bias": .bool(mlpBias),
    ]
  }

  /// Reads the object that `json` writes; every key is required and no other is allowed.
  init(_ fields: JSONFields) throws(CheckpointError) {
    let limit = 1...(1 << 31)
    let family = fields.object["family"] == nil ? Llama.name : try fields.string("family")
    guard ModelFamilies.named(family) != nil else {
      throw .unsupported(
        path: fields.path, field: fields.name("family"), found: "'\(family)'",
        expected: ModelFamilies.all.map { $0.name }.joined(separator: " or "))
    }
    self.init(
      family: family, width: try fields.int("width", in: limit),
      hiddenWidth: try fields.int("hidden_width", in: limit),
      layers: try fields.int("layers", in: limit),
      queryHeads: try fields.int("query_heads", in: limit),
      keyValueHeads: try fields.int("key_value_heads", in: limit),
      headWidth: try fields.int("head_width", in: limit),
      vocabularySize: try fields.int("vocabulary_size", in: limit),
      contextLength: try fields.int("context_length", in: limit),
      normEpsilon: try fields.double("norm_epsilon"),
      rotaryBase: try fields.double("rotary_base"),
      rotaryScaling: try RotaryScaling(fields, "rotary_scaling"),
      tiedHead: try fields.bool("tied_head"),
      attentionBias: try fields.bool("attention_bias"),
      outputBias: try fields.bool("output_bias"),
      mlpBias: try fields.bool("mlp_bias"))
    try fields.allow(json.object?.keys ?? [])
    try checkUsable(path: fields.path, field: fields.place)
  }

  /// Refuses numbers that no model can have.
  package func checkUsable(path: String, field: String) throws(CheckpointError) {
    guard let problem else { return }
    throw .damaged(path: path, field: field, found: problem, expected: "a usable configuration")
  }
}

extension RotaryScaling {
  fileprivate var json: JSONValue {
    switch self {
    case .none: .null
    case .linear(let factor): ["type": "linear", "factor": .number(factor)]
    case .llama3(let factor, let low, let high, let length):
      [
        "type": "llama3", "factor": .number(factor), "low_frequency_factor": .number(low),
        "high_frequency_factor": .number(high), "original_context_length": .int(length),
      ]
    }
  }

  fileprivate init(_ parent: JSONFields, _ key: String) throws(CheckpointError) {
    if try parent.value(key).isNull {
      self = .none
      return
    }
    let fields = try parent.fields(key)
    let type = try fields.string("type")
    switch type {
    case "linear":
      self = .linear(factor: try fields.double("factor"))
      try fields.allow(["type", "factor"])
    case "llama3":
      self = .llama3(
        factor: try fields.double("factor"),
        lowFrequencyFactor: try fields.double("low_frequency_factor"),
        highFrequencyFactor: try fields.double("high_frequency_factor"),
        originalContextLength: try fields.int("original_context_length", in: 1...(1 << 31)))
      try fields.allow([
        "type", "factor", "low_frequency_factor", "high_frequency_factor",
        "original_context_length",
      ])
    default: throw fields.problem("type", .string(type), "linear or llama3")
    }
  }
}
