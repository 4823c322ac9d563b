/// Trains a narrow network beside the frozen model (Sung et al. 2022).
public struct LadderRecipe: MethodSettings {
  static let type = "ladder"

  /// The width of the ladder.
  public var width: Int
  /// How many of the uppermost blocks it reads from; nil for all.
  public var count: Int?

  /// 32 wide, beside all blocks.
  public init() { self.init(width: 32) }

  public init(width: Int, count: Int? = nil) {
    self.width = width
    self.count = count
  }

  var displayLabel: String { "ladder d\(width)" + (count.map { " \($0) blocks" } ?? "") }

  mutating func visit(_ fields: RecipeFields) {
    fields("width", &width, .integer(1...4096))
    fields("count", &count, .optional(.integer(1...4096)))
  }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] {
    RecipeProblem.tooManyBlocks(count, of: layers, at: keyPath)
  }
}

extension MethodRecipe {
  /// A network beside the model.
  public static func ladder(_ settings: LadderRecipe = LadderRecipe()) -> MethodRecipe {
    MethodRecipe(settings)
  }
}
