/// Trains the gains of all normalisations.
public struct NormsRecipe: MethodSettings {
  static let type = "norms"

  public init() {}

  mutating func visit(_ fields: RecipeFields) {}
}

extension MethodRecipe {
  /// The gains of all normalisations.
  public static var norms: MethodRecipe { MethodRecipe(NormsRecipe()) }
}
