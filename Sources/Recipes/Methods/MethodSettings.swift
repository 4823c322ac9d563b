/// What a method's settings say of themselves. A method is a file in this folder, with a type that
/// conforms to this, and a line in `MethodRecipe.known`.
protocol MethodSettings: RecipeSection, Hashable, Sendable {
  /// The word that stands for the method in recipes and event streams.
  static var type: String { get }

  /// Every setting at its default.
  init()

  /// A short name made from the settings: "lora r8", "last 2 layers". By default `type`.
  var displayLabel: String { get }

  /// What doesn't fit a model. By default nothing.
  ///
  /// - Parameters:
  ///   - keyPath: where the recipe holds the method.
  ///   - names: the model's tensors, as `ModelConfiguration.parameters` names them.
  ///   - layers: how many layers the model has.
  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem]
}

extension MethodSettings {
  /// The settings as a value that can be compared with those of another method.
  var hashable: AnyHashable { AnyHashable(self) }

  var displayLabel: String { Self.type }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] { [] }
}
