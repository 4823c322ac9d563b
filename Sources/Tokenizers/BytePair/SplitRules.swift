/// A tokenizer.json's `pre_tokenizer`.
struct SplitRules: Sendable {
  /// When a word gets the Metaspace character before it.
  enum SpacePrefix: String, Sendable {
    case always, first, never
  }

  /// Metaspace: spaces are spelled by a character, and a text gets one before its first word.
  struct Metaspace: Sendable {
    let character: [UInt8]
    let prefix: SpacePrefix
  }

  /// The stages in order.
  private(set) var stages: [SplitStage] = []
  /// Set where the pre-tokenizer is Metaspace.
  private(set) var metaspace: Metaspace?
  /// Whether words are spelled by the characters of `ByteAlphabet`.
  private(set) var isByteLevel = false

  private static let maximumStages = 16
  /// What ByteLevel splits by, unless told not to (Radford et al. 2019).
  static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let known = [
    "ByteLevel", "Digits", "Metaspace", "Punctuation", "Sequence", "Split",
  ]

  /// - Parameter json: the member `pre_tokenizer`; nil or null for none.
  /// - Throws: `TokenizerError.invalidTokenizer` for a step that is not supported.
  init(_ json: JSONFieldValue) throws(TokenizerError) { try add(json) }

  private mutating func add(_ json: JSONFieldValue) throws(TokenizerError) {
    guard !json.isAbsent else { return }
    guard stages.count < Self.maximumStages else {
      throw json.invalid("more than \(Self.maximumStages) steps", "fewer")
    }
    let type = try json.type()
    guard !isByteLevel, metaspace == nil else {
      throw json.invalid("'\(type)' behind ByteLevel or Metaspace", "these to be the last step")
    }
    switch type {
    case "Sequence": for step in try json["pretokenizers"].list() { try add(step) }
    case "ByteLevel": try addByteLevel(json)
    case "Split": try addSplit(json)
    case "Digits":
      let single = try json["individual_digits"].bool(false)
      stages.append(.split(try .init(single ? #"\p{N}"# : #"\p{N}+"#), .isolated, inverted: false))
    case "Punctuation":
      let behavior = try json["behavior"].isAbsent ? .isolated : behavior(json["behavior"])
      let pattern = try SplitPattern(#"[\p{P}!-\/:-@\[-`{-~]"#)
      stages.append(.split(pattern, behavior, inverted: false))
    case "Metaspace": try addMetaspace(json)
    default: throw json.unsupported(type, Self.known)
    }
  }

  private mutating func addByteLevel(_ json: JSONFieldValue) throws(TokenizerError) {
    if try json["add_prefix_space"].bool(true) { stages.append(.spaceBefore) }
    if try json["use_regex"].bool(true) {
      stages.append(.split(try .init(Self.gpt2), .isolated, inverted: false))
    }
    isByteLevel = true
  }

  private mutating func addSplit(_ json: JSONFieldValue) throws(TokenizerError) {
    let (text, regex) = (json["pattern"]["String"], json["pattern"]["Regex"])
    let pattern =
      text.isAbsent ? try SplitPattern(regex.string()) : try SplitPattern.literal(text.string())
    stages.append(
      .split(pattern, try behavior(json["behavior"]), inverted: try json["invert"].bool(false)))
  }

  private mutating func addMetaspace(_ json: JSONFieldValue) throws(TokenizerError) {
    guard stages.isEmpty else {
      throw json.invalid("'Metaspace' behind another step", "it to be the only one")
    }
    let character = try json["replacement"].string()
    guard character.unicodeScalars.count == 1 else {
      throw json["replacement"].invalid("'\(character.prefix(20))'", "one character")
    }
    let scheme = json["prepend_scheme"]
    let prefix: SpacePrefix
    if scheme.isAbsent {
      prefix = try json["add_prefix_space"].bool(true) ? .always : .never
    } else if let found = SpacePrefix(rawValue: try scheme.string()) {
      prefix = found
    } else {
      throw scheme.invalid("'\(try scheme.string().prefix(20))'", "always, first or never")
    }
    metaspace = Metaspace(character: Array(character.utf8), prefix: prefix)
    if try json["split"].bool(true) {
      stages.append(.split(try .literal(character), .mergedWithNext, inverted: false))
    }
  }

  private func behavior(
    _ json: JSONFieldValue
  ) throws(TokenizerError) -> SplitStage.Behavior {
    let name = try json.string()
    guard let behavior = SplitStage.Behavior(rawValue: name) else {
      throw json.unsupported(
        String(name.prefix(40)),
        ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
    }
    return behavior
  }
}
