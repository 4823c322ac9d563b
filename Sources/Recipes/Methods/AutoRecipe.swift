/// The method is chosen when the run starts: the tensors of sparse back-propagation, low-rank
/// adaptation or another one, whichever short runs on the model and text find best.
public struct AutoRecipe: MethodSettings {
  static let type = "auto"

  /// Cost limits of what is chosen; nil for about the arithmetic of low-rank adaptation of every
  /// linear map, and any memory.
  public var budget: BudgetRecipe?

  /// Whatever costs no more time than low-rank adaptation.
  public init() {}

  public init(budget: BudgetRecipe?) { self.budget = budget }

  mutating func visit(_ fields: RecipeFields) {
    fields("budget", &budget, .optional(.section(BudgetRecipe())))
  }
}

extension MethodRecipe {
  /// Chosen when the run starts.
  public static func auto(_ settings: AutoRecipe = AutoRecipe()) -> MethodRecipe {
    MethodRecipe(settings)
  }
}
