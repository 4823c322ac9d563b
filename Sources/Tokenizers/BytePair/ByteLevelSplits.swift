/// How byte-level vocabularies split text, by the names that GGUF files have for it
/// (`tokenizer.ggml.pre`). Patterns are facts of the models' own tokenizer.json files.
enum ByteLevelSplits {
  /// One step: every match of the pattern is a piece, and so is what lies between two.
  struct Step: Sendable {
    let pattern: String
    /// Whether it ends a word at a letter before a space, and begins one at a space before a letter;
    /// else its matches hold no ASCII letter and no space beside one.
    let separatesWords: Bool

    static func words(_ pattern: String) -> Step { .init(pattern: pattern, separatesWords: true) }
    static func others(_ pattern: String) -> Step { .init(pattern: pattern, separatesWords: false) }
  }

  /// The steps by name.
  static let all: [String: [Step]] = {
    var all: [String: [Step]] = [:]
    for (names, steps) in table { for name in names { all[name] = steps } }
    return all
  }()

  /// One name for each way of splitting, those of the most models first.
  static let usualNames = [
    "llama-bpe", "qwen2", "smollm", "gpt-2", "default", "gpt-4o", "tekken", "deepseek-coder",
    "deepseek-v3", "dbrx", "stablelm2",
  ]

  /// Names of vocabularies that take a word whole if it is a piece.
  static let takingWholeWords: Set<String> = ["llama3", "llama-v3", "llama-bpe", "tekken"]
  /// Names of vocabularies whose texts begin with BOS where the file does not say.
  static let addingBegin: Set<String> = ["llama3", "llama-v3", "llama-bpe", "tekken"]
  /// Names of vocabularies whose texts are composed (NFC) first.
  static let composing: Set<String> = ["qwen2", "deepseek-r1-qwen"]

  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let tail = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
  private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#

  private static let llama3 = #"""
    \#(contractions)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\#(tail)
    """#
  private static let qwen2 = #"""
    \#(contractions)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\#(tail)
    """#
  private static let o200k = #"""
    [^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(contractions)?\#
    |[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#(contractions)?\#
    |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\#(tail)
    """#
  private static let tekken = #"""
    [^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+|[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#
    |\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\#(tail)
    """#
  private static let deepSeek3 = #"""
    [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+\#
    | ?[\p{P}\p{S}]+[\r\n]*|\#(tail)
    """#

  private static let table: [([String], [Step])] = [
    (["gpt-2", "phi-2", "olmo", "mpt"], [.words(SplitRules.gpt2)]),
    (
      ["default"],
      [
        .others(#"[\p{P}\$\+<=>\^~\|]+"#), .words(SplitRules.gpt2), .others(#"\p{N}+"#),
        .others("[0-9][0-9][0-9]"),
      ]
    ),
    (
      ["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone"],
      [.others(#"\p{N}"#), .words(SplitRules.gpt2)]
    ),
    (
      ["deepseek-coder"],
      [
        .others(#"[\r\n]"#), .words(#"\s?\p{L}+"#), .others(#"\s?\p{P}+"#),
        .others("[一-龥ࠀ-一가-퟿]+"), .others(#"\p{N}"#),
      ]
    ),
    (
      ["deepseek-v3"],
      [
        .others(#"\p{N}{1,3}"#), .others("[一-龥぀-ゟ゠-ヿ]+"), .words(deepSeek3),
      ]
    ),
    (["llama3", "llama-v3", "llama-bpe", "dbrx", "smaug-bpe"], [.words(llama3)]),
    (["qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan"], [.words(qwen2)]),
    (["gpt-4o", "llama4"], [.words(o200k)]),
    (["tekken"], [.words(tekken)]),
  ]
}
