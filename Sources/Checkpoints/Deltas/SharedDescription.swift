import Storage

/// The metadata of files made to be shared. Only members listed here are kept, so anything added to
/// recipes later is left out by default: no path, person's name or text gets into a delta or a
/// merged checkpoint.
enum SharedDescription {
  /// Of a recipe: the training settings, without paths or labels.
  static func recipe(_ recipe: JSONValue) -> JSONValue { kept(recipe, recipeRule) }

  /// Of a method: its type and settings, not its label.
  static func method(_ method: JSONValue) -> JSONValue { kept(method, methodRule) }

  /// Of a run's metrics: the numbers.
  static func metrics(_ metrics: JSONValue) -> JSONValue { kept(metrics, .members(.figure)) }

  /// Of a checkpoint's metadata: its import format, or how its random weights were drawn, and the
  /// deltas that were merged into it.
  static func metadata(_ metadata: JSONValue) -> JSONObject {
    var result = JSONObject()
    for (key, value) in metadata.object?.members.map({ ($0.key, $0.value) }) ?? [] {
      let isKept =
        switch (key, value.string) {
        case ("source", let source?): source == "random"
        case ("format", let format?): CheckpointOrigin(rawValue: format) != nil
        case ("seed", let seed?): UInt64(seed) != nil
        case ("seed", nil): value.int != nil
        case (Checkpoint.mergedDeltasKey, nil): value.array?.allSatisfy(isMergedDelta) ?? false
        default: false
        }
      if isKept { result[key] = value }
    }
    return result
  }
}

extension SharedDescription {
  /// Whether a value is a delta's hashes and scale, and nothing else.
  private static func isMergedDelta(_ value: JSONValue) -> Bool {
    guard let object = value.object, value["content_hash"] != nil, value["scale"]?.double != nil
    else { return false }
    return object.members.allSatisfy { member in
      switch member.key {
      case "content_hash", Delta.originKey:
        member.value.string.map(ContentHash.isHexadecimal) ?? false
      default: member.key == "scale"
      }
    }
  }

  /// Which part of a value is kept.
  private indirect enum Rule: Sendable {
    /// A number, true, false or null.
    case figure
    /// A figure, or a word such as an optimizer's type or a pattern of tensor names.
    case setting
    /// A setting or a list of settings.
    case settings
    /// Of an object, the members with these names, each by its own rule.
    case object([String: Rule])
    /// Of an object whose keys are words, every member by one rule.
    case members(Rule)
    /// Of an object whose keys are words, every member but those named that consists of settings,
    /// in lists and objects too.
    case settingsExcept(Set<String>)
  }

  /// Of a method: every setting but the label, which is a person's own words. Paths are absolute
  /// in a resolved recipe, so none is a word.
  private static let methodRule = Rule.settingsExcept(["label"])

  private static let recipeRule = Rule.object([
    "seed": .figure,
    "data": .object([
      "validation": .figure, "sequence_length": .figure, "append_eos": .figure,
      "train_on": .setting, "chat_template": .setting, "long_rows": .setting, "shuffle": .figure,
    ]),
    "method": methodRule,
    "analysis": .object([
      "share": .figure, "contributions": .figure, "joint_probes": .figure, "head": .figure,
    ]),
    "optimizer": .object([
      "type": .setting, "learning_rate": .setting, "betas": .settings, "epsilon": .figure,
      "state": .setting, "parameters": .setting, "rounding": .setting, "qas": .figure,
      "eco": .figure,
      "momentum": .figure, "weight_decay": .figure, "clip_norm": .figure,
    ]),
    "privacy": .object(["clip": .figure, "noise": .figure, "delta": .figure]),
    "schedule": .object([
      "type": .setting, "warmup_steps": .figure, "final_ratio": .figure,
    ]),
    "run": .object([
      "steps": .figure, "epochs": .figure, "batch_size": .figure, "accumulation": .figure,
      "precision": .setting, "products": .setting, "kept_gates": .setting, "memory_mb": .figure,
      "validate_every": .figure, "early_stopping": .setting,
    ]),
  ])

  /// The part of a value that a rule keeps; null if none.
  private static func kept(_ value: JSONValue, _ rule: Rule) -> JSONValue {
    part(of: value, rule) ?? .null
  }

  private static func part(of value: JSONValue, _ rule: Rule) -> JSONValue? {
    switch rule {
    case .figure:
      switch value {
      case .null, .bool, .int, .number: return value
      default: return nil
      }
    case .setting:
      guard let word = value.string else { return part(of: value, .figure) }
      guard isWord(word) else { return nil }
      return value
    case .settings:
      guard let list = value.array else { return part(of: value, .setting) }
      return .array(list.compactMap { part(of: $0, .setting) })
    case .settingsExcept(let excluded):
      if value.array == nil, value.object == nil { return part(of: value, .setting) }
      if value.array != nil { return part(of: value, .settings) }
      return members(of: value) { key in
        isWord(key) && !excluded.contains(key) ? .settingsExcept(excluded) : nil
      }
    case .object(let rules):
      return members(of: value) { rules[$0] }
    case .members(let rule):
      return members(of: value) { isWord($0) ? rule : nil }
    }
  }

  /// An object's members in their order, each by the rule of its key; null stays null.
  private static func members(of value: JSONValue, _ rule: (String) -> Rule?) -> JSONValue? {
    if value.isNull { return value }
    guard let object = value.object else { return nil }
    var result = JSONObject()
    for member in object.members {
      guard let rule = rule(member.key), let part = part(of: member.value, rule) else { continue }
      result[member.key] = part
    }
    return .object(result)
  }

  /// Whether the text has only characters of type names and tensor-name patterns: no path or
  /// sentence.
  private static func isWord(_ text: String) -> Bool {
    text.utf8.count <= 256
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "_.-*[]".utf8.contains(byte)
        }
      }
  }
}
