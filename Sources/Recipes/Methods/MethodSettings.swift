/// The settings of a method. Each method has a file in this folder, with a type that conforms to
/// this protocol, and a line in `MethodRecipe.known`.
protocol MethodSettings: RecipeSection, Hashable, Sendable {
  /// The method's name in recipes and event streams.
  static var type: String { get }

  /// Creates the settings with every value at its default.
  init()

  /// A short name made from the settings: "lora r8", "last 2 layers". By default `type`.
  var displayLabel: String { get }

  /// The limits of what is chosen, which controls in `compare` share; by default nil.
  var budget: BudgetRecipe? { get }

  /// Problems of the settings with a particular model. By default none.
  ///
  /// - Parameters:
  ///   - keyPath: key path of the method in the recipe.
  ///   - names: the model's tensors, as `ModelConfiguration.parameters` names them.
  ///   - layers: how many layers the model has.
  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem]
}

extension MethodSettings {
  /// The settings as a hashable value, for comparison with those of any method.
  var hashable: AnyHashable { AnyHashable(self) }

  var displayLabel: String { Self.type }

  var budget: BudgetRecipe? { nil }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] { [] }
}
