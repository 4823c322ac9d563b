import Tensors

/// Trains biases of linear maps and the gains of norms (TinyTL's "bias", Cai et al. 2020).
public struct BiasRecipe: MethodSettings {
  static let type = "bias"

  /// How many of the uppermost blocks train; nil for all.
  public var count: Int?
  /// The linear maps whose biases train.
  public var targets: [LinearTarget]

  /// All maps but value: attention's weights add up to 1, so that a bias of value reaches the output
  /// as a constant, which a bias of output can be as well.
  static let usualTargets = LinearKind.allCases.filter { $0 != .value }.map(LinearTarget.kind)

  /// All blocks, all maps but value.
  public init() { self.init(count: nil) }

  public init(count: Int?, targets: [LinearTarget]? = nil) {
    self.count = count
    self.targets = targets ?? Self.usualTargets
  }

  var displayLabel: String { "bias" + labelSuffix }

  /// What a label says of settings that are not the usual ones: " 4 blocks key".
  var labelSuffix: String {
    (count.map { " \($0) blocks" } ?? "")
      + (targets == Self.usualTargets ? "" : " " + targets.shortName)
  }

  mutating func visit(_ fields: RecipeFields) {
    fields("count", &count, .optional(.integer(1...4096)))
    fields("targets", &targets, .list(.linearTarget, minimum: 1))
  }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] {
    RecipeProblem.tooManyBlocks(count, of: layers, at: keyPath)
      + TensorPattern.validate(
        targets.compactMap(\.pattern), at: "\(keyPath).targets", names: names, layers: layers)
  }
}

extension MethodRecipe {
  /// Biases and gains.
  public static func bias(_ settings: BiasRecipe = BiasRecipe()) -> MethodRecipe {
    MethodRecipe(settings)
  }
}

extension RecipeProblem {
  /// What is wrong with asking for the uppermost `count` blocks of a model; nothing if it has as
  /// many.
  static func tooManyBlocks(_ count: Int?, of layers: Int, at keyPath: String) -> [RecipeProblem] {
    guard let count, count > layers else { return [] }
    return [
      RecipeProblem(
        "\(keyPath).count",
        .mismatch(
          found: "\(count)", expected: "at most \(layers), the model's layers", suggestion: nil))
    ]
  }
}
