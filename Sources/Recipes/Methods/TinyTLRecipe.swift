import Tensors

/// TinyTL (Cai et al. 2020): biases, gains, and a lite residual of a few hidden units in every
/// trained block's MLP.
public struct TinyTLRecipe: MethodSettings {
  static let type = "tiny_tl"

  /// Hidden units that each trained block gets.
  public var units: Int
  /// The biases beside them.
  public var biases: BiasRecipe

  /// 8 units in all blocks.
  public init() { self.init(units: 8) }

  public init(units: Int, count: Int? = nil) {
    self.units = units
    biases = BiasRecipe(count: count)
  }

  var displayLabel: String { "tiny_tl r\(units)" + biases.labelSuffix }

  mutating func visit(_ fields: RecipeFields) {
    fields("units", &units, .integer(1...4096))
    biases.visit(fields)
  }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] {
    biases.problems(at: keyPath, names: names, layers: layers)
  }
}

extension MethodRecipe {
  /// Biases, gains and hidden units.
  public static func tinyTL(_ settings: TinyTLRecipe = TinyTLRecipe()) -> MethodRecipe {
    MethodRecipe(settings)
  }
}
