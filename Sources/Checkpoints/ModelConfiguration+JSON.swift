import Models
import Storage
import Tensors

extension ModelConfiguration {
  /// The configuration as a header's JSON; `docs/format.md` lists the keys.
  var json: JSONValue {
    var object = shape
    // Files without the key belong to the Llama family.
    if family != Llama.name { object["family"] = .string(family) }
    for (key, value) in additions { object[key] = value }
    return .object(object)
  }

  /// What newer families need, where it is not the default: older files lack these keys.
  package var additions: [(key: String, value: JSONValue)] {
    var members: [(String, JSONValue)] = []
    if let slidingWindow { members.append(("sliding_window", .int(slidingWindow))) }
    if !attentionPattern.isEmpty {
      let words = attentionPattern.map { JSONValue.string($0.rawValue) }
      members.append(("attention_pattern", .array(words)))
    }
    if let localRotaryBase { members.append(("local_rotary_base", .number(localRotaryBase))) }
    if queryKeyNorm { members.append(("query_key_norm", true)) }
    if activation != .silu { members.append(("activation", .string(activation.rawValue))) }
    if embeddingScale != 1 { members.append(("embedding_scale", .number(embeddingScale))) }
    if let attentionScale { members.append(("attention_scale", .number(attentionScale))) }
    return members
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

  /// Reads the object that `json` writes: `family` and the additions have defaults, every other key
  /// is required, and no key but those that it would write again is allowed.
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
    try readAdditions(fields)
    try fields.allow(json.object?.keys ?? [])
    try checkUsable(path: fields.path, field: fields.place)
  }

  private mutating func readAdditions(_ fields: JSONFields) throws(CheckpointError) {
    func has(_ key: String) -> Bool { fields.object[key] != nil }
    if has("sliding_window") { slidingWindow = try fields.int("sliding_window", in: 1...(1 << 31)) }
    if has("attention_pattern") {
      attentionPattern = try fields.array("attention_pattern").map {
        (value) throws(CheckpointError) in
        guard let reach = value.string.flatMap(AttentionReach.init) else {
          throw fields.problem("attention_pattern", value, "a list of local and global")
        }
        return reach
      }
    }
    if has("local_rotary_base") { localRotaryBase = try fields.double("local_rotary_base") }
    if has("query_key_norm") { queryKeyNorm = try fields.bool("query_key_norm") }
    if has("activation") {
      guard let known = Activation(rawValue: try fields.string("activation")) else {
        let words = Activation.allCases.map(\.rawValue).joined(separator: " or ")
        throw fields.problem("activation", fields.object["activation"], words)
      }
      activation = known
    }
    if has("embedding_scale") { embeddingScale = try fields.double("embedding_scale") }
    if has("attention_scale") { attentionScale = try fields.double("attention_scale") }
  }

  /// Refuses more layers than a file has tensors, before all their parameters are listed.
  ///
  /// - Parameters:
  ///   - field: where the number of layers is given.
  ///   - tensors: how many tensors the file has; a layer has several.
  package func checkLayers(
    path: String, field: String, tensors: Int
  ) throws(CheckpointError) {
    guard layers > tensors else { return }
    throw .damaged(
      path: path, field: field, found: "\(layers) layers",
      expected: "at most as many as the file has tensors, \(tensors)")
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
