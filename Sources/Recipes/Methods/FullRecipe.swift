/// Trains every parameter.
public struct FullRecipe: MethodSettings {
  static let type = "full"

  public init() {}

  mutating func visit(_ fields: RecipeFields) {}
}

extension MethodRecipe {
  /// Every parameter.
  public static var full: MethodRecipe { MethodRecipe(FullRecipe()) }
}
