import Storage
import Tensors

/// Low-rank adaptation (Hu et al. 2021): W + (alpha / rank) · B · A beside a frozen W.
public struct LoRARecipe: MethodSettings {
  static let type = "lora"

  /// Rank r: columns of B and rows of A.
  public var rank: Int
  /// B · A is scaled by alpha / rank.
  public var alpha: Double
  public var targets: LoRATargets

  /// Rank 8 and alpha 16 on all linear maps.
  public init() { self.init(rank: 8) }

  public init(rank: Int = 8, alpha: Double = 16, targets: LoRATargets = .allLinear) {
    self.rank = rank
    self.alpha = alpha
    self.targets = targets
  }

  /// alpha / rank.
  public var scale: Double { alpha / Double(rank) }

  var displayLabel: String { "lora r\(rank)" + (targets.shortName.map { " " + $0 } ?? "") }

  mutating func visit(_ fields: RecipeFields) {
    fields("rank", &rank, .integer(1...4096))
    fields("alpha", &alpha, .number(Interval(lower: 0, upper: 65536, includesLower: false)))
    fields("targets", &targets, .loraTargets)
  }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] {
    TensorPattern.validate(
      targets.patterns, at: "\(keyPath).targets", names: names, layers: layers)
  }
}

extension MethodRecipe {
  /// Low-rank factors beside frozen matrices.
  public static func lora(_ settings: LoRARecipe) -> MethodRecipe { MethodRecipe(settings) }

  /// The settings of low-rank adaptation; nil for other methods.
  public var lora: LoRARecipe? { settings(as: LoRARecipe.self) }
}

/// The linear maps that get low-rank factors.
public enum LoRATargets: Hashable, Sendable {
  /// All seven linear maps of every block.
  case allLinear
  /// Query, key, value and output of every block.
  case attention
  /// Query and value of every block, as in the paper.
  case queryValue
  /// Listed kinds and patterns, at least one.
  case list([LinearTarget])

  /// All linear maps of the last blocks.
  ///
  /// - Parameters:
  ///   - count: the number of blocks, at least 1.
  ///   - layers: the model's blocks.
  public static func lastBlocks(_ count: Int, of layers: Int) -> LoRATargets {
    let texts = ["attention", "mlp"].map { "layers[\(layers - count)-\(layers - 1)].\($0).*" }
    return .list(texts.compactMap { try? TensorPattern(parse: $0) }.map { .pattern($0) })
  }

  /// The targets as patterns over tensor names.
  public var patterns: [TensorPattern] {
    switch self {
    case .allLinear: LinearKind.allCases.compactMap(\.pattern)
    case .attention: [.query, .key, .value, .output].compactMap(\LinearKind.pattern)
    case .queryValue: [.query, .value].compactMap(\LinearKind.pattern)
    case .list(let targets): targets.compactMap(\.pattern)
    }
  }

  /// Short name of the targets in a label: "attention", "qv", "query+up", "5 targets"; nil for all
  /// linear maps, the default.
  public var shortName: String? {
    switch self {
    case .allLinear: nil
    case .attention: "attention"
    case .queryValue: "qv"
    case .list(let targets): targets.shortName
    }
  }

  /// Whether the tensor of this name gets factors.
  public func matches(_ name: String) -> Bool { patterns.contains { $0.matches(name) } }
}

extension RecipeKind<LoRATargets> {
  /// A word, or a list of kinds and patterns.
  static var loraTargets: RecipeKind {
    let words: [(String, LoRATargets)] = [
      ("all_linear", .allLinear), ("attention", .attention), ("qv", .queryValue),
    ]
    let list = RecipeKind<[LinearTarget]>.list(.linearTarget, minimum: 1)
    let word = leaf(
      "'all_linear', 'attention', 'qv' or a list of kinds or patterns",
      schema: .anyOf([.enumeration(words.map(\.0)), list.schema()]), words: words.map(\.0),
      { json in words.first { $0.0 == json.string }?.1 },
      write: { targets in .string(words.first { $0.1 == targets }?.0 ?? "") })
    return RecipeKind(
      expected: word.expected, schema: word.schema(),
      read: { json, keyPath, context in
        json.array == nil
          ? word.read(json, keyPath, context) : list.read(json, keyPath, context).map { .list($0) }
      },
      write: { if case .list(let targets) = $0 { list.write(targets) } else { word.write($0) } })
  }
}
