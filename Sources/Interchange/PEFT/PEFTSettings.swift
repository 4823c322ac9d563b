import Checkpoints
import Storage

/// What an `adapter_config.json` says about ranks and scales; what is not plain LoRA is refused.
struct PEFTSettings {
  /// The rank of matrices that no pattern names.
  let rank: Int
  private let alpha: Double
  private let ranks: Patterns
  private let alphas: Patterns
  private let usesRootOfRank: Bool
  private static let ranksAllowed = 1...1 << 16

  /// - Throws: `CheckpointError` for what is missing, of a wrong type or not supported.
  init(path: String) throws(CheckpointError) {
    let value = try wrapping { () throws(StorageError) in try JSONValue.read(path: path) }
    let fields = try JSONFields(value, path: path, place: "")
    func refuse(_ key: String, unless expected: [JSONValue]) throws(CheckpointError) {
      let found = fields.object[key] ?? .null
      guard !expected.contains(found) else { return }
      throw .unsupported(
        path: path, field: key, found: JSONFields.shown(found),
        expected: expected.map { $0.encoded() }.joined(separator: " or "))
    }
    try refuse("peft_type", unless: ["LORA"])
    try refuse("bias", unless: ["none", .null])
    for key in ["use_dora", "fan_in_fan_out"] { try refuse(key, unless: [false, .null]) }
    try refuse("use_rslora", unless: [false, true, .null])
    try refuse("modules_to_save", unless: [.null, .array([])])
    rank = try fields.int("r", in: Self.ranksAllowed)
    alpha = try Self.alpha(fields, "lora_alpha", .number(fields.double("lora_alpha")))
    usesRootOfRank = fields.object["use_rslora"] == true
    alphas = try Patterns(fields, "alpha_pattern") { (key, value) throws(CheckpointError) in
      try Self.alpha(fields, key, value)
    }
    ranks = try Patterns(fields, "rank_pattern") { (key, value) throws(CheckpointError) in
      guard let rank = value.int, Self.ranksAllowed.contains(rank) else {
        throw fields.problem(key, value, "a rank in \(Self.ranksAllowed)")
      }
      return Double(rank)
    }
  }

  private static func alpha(
    _ fields: JSONFields, _ key: String, _ value: JSONValue
  ) throws(CheckpointError) -> Double {
    guard let alpha = value.double, alpha.magnitude <= 1e6 else {
      throw fields.problem(key, value, "a number up to 1000000")
    }
    return alpha
  }

  /// r, the rank of a matrix.
  func rank(of module: String) -> Int { ranks[module].map { Int($0) } ?? rank }

  /// The factor on B·A (Hu et al. 2021; Kalajdzievski 2023 with the root).
  func scale(of module: String) -> Double {
    let rank = Double(rank(of: module))
    return (alphas[module] ?? alpha) / (usesRootOfRank ? rank.squareRoot() : rank)
  }
}

/// Numbers of single matrices, by the ends of their names. PEFT takes the first that matches.
private struct Patterns {
  private var numbers: [(pattern: String, value: Double)] = []

  /// - Parameters:
  ///   - key: a member, an object of pattern: number; may be absent.
  ///   - number: reads a member of it.
  /// - Throws: `CheckpointError.unsupported` for regular expressions, which PEFT allows.
  init(
    _ fields: JSONFields, _ key: String,
    _ number: (_ key: String, JSONValue) throws(CheckpointError) -> Double
  ) throws(CheckpointError) {
    let value = fields.object[key] ?? .null
    guard !value.isNull else { return }
    guard let members = value.object?.members else {
      throw fields.problem(key, value, "an object of numbers")
    }
    for member in members {
      let value = try number("\(key)['\(member.key)']", member.value)
      guard !member.key.isEmpty, member.key.utf8.allSatisfy(Self.isOfName) else {
        throw .unsupported(
          path: fields.path, field: key, found: JSONFields.shown(.string(member.key)),
          expected: "names of matrices or their ends, such as q_proj")
      }
      numbers.append((member.key, value))
    }
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  /// The number of a matrix; nil if no pattern matches it.
  subscript(_ module: String) -> Double? {
    numbers.first { Self.matches(module, $0.pattern) }?.value
  }

  /// Whether a name ends with a pattern, at its beginning or behind a dot, as PEFT matches
  /// `(.*\.)?(pattern)$`; a dot of the pattern stands for any character.
  private static func matches(_ module: String, _ pattern: String) -> Bool {
    let (name, pattern) = (Array(module.utf8), Array(pattern.utf8))
    let start = name.count - pattern.count
    let dot = UInt8(ascii: ".")
    guard start >= 0, start == 0 || name[start - 1] == dot else { return false }
    return zip(name[start...], pattern).allSatisfy { $0 == $1 || $1 == dot }
  }
}
